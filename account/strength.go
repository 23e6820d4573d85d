package account

// StrengthOf is how surely the proofs show that it is the person: a passkey or an e-signature is
// phishing-resistant, and so is a password with a security key; a phone's word is two factors; a password, or a bank's word, with something the person holds is two
// factors, all else is one.
func StrengthOf(proofs []Proof) Strength {
	var knows, holds, key bool
	for _, p := range proofs {
		switch p.Method {
		case MethodPasskey, MethodSignature:
			return PhishingResistant
		case MethodPassword, MethodBank: // a bank vouches for one factor, whatever it asked of the person itself
			knows = true
		case MethodQR:
			knows, holds = true, true
		case MethodTOTP, MethodBackup, MethodSMS, MethodPush:
			holds = true
		case MethodSecurityKey:
			key = true
		}
	}
	switch {
	case knows && key:
		return PhishingResistant
	case knows && holds:
		return TwoFactor
	}
	return OneFactor
}

// Surer reports whether a second factor is more than a spare key, and does not go astray with a number.
func (m Method) Surer() bool { return m != MethodSMS && m != MethodBackup }

// AMR names the proofs by the values of RFC 8176, each once, with "mfa" when they are two factors.
func AMR(proofs []Proof) []string {
	var out []string
	seen := make(map[string]bool)
	add := func(values ...string) {
		for _, v := range values {
			if !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		}
	}
	for _, p := range proofs {
		add(p.Method.AMR()...)
	}
	if StrengthOf(proofs) >= TwoFactor {
		add("mfa")
	}
	return out
}

// AMR returns the values of RFC 8176 for one method ("fed" is ours, for a bank).
func (m Method) AMR() []string {
	switch m {
	case MethodPassword:
		return []string{"pwd"}
	case MethodTOTP, MethodBackup, MethodMailCode, MethodRecovery:
		return []string{"otp"}
	case MethodSMS:
		return []string{"otp", "sms"}
	case MethodPasskey:
		return []string{"hwk", "user"}
	case MethodSecurityKey:
		return []string{"hwk"}
	case MethodPush, MethodQR:
		return []string{"swk"}
	case MethodSignature:
		return []string{"sc"}
	case MethodBank:
		return []string{"fed"}
	}
	return nil
}
