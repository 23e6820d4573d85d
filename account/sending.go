package account

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of sending codes (C35, F04). Whoever makes us send does not begin a count anew by beginning a flow anew: everything is
// counted by what costs money to change.
const (
	resendAfter   = time.Minute // by SMS to one number for one purpose; the page of a mailed code advises the same
	sendWindow    = 10 * time.Minute
	sendMost      = 3  // to one contact in the window; what is beyond waits ever longer
	smsHourMost   = 5  // to one number
	mailHourMost  = 6  // to one address of mail
	sendDayMost   = 15 // to one contact: by both, three tries each, the chance of a guess stays below one in ten thousand
	addressMost10 = 60 // from one address in the window: a school or an office shares one
	networkMost10 = 300
	browserMost   = 12 // for one browser in an hour, whatever it does
	rangeMost     = 50 // in an hour to the ten thousand numbers that have all but the last four digits in common
)

// Sending bounds what SMS cost. Zero fields have the defaults.
type Sending struct {
	// Prefixes are the beginnings of numbers to which SMS go; +79, Russian mobiles, without any.
	Prefixes []string
	// Hour and Day are the most SMS of all; 5,000 and 40,000. The last fifth is kept for people who have an account.
	Hour, Day int64
	// Operator is the most in an hour to numbers with the same first five digits, about an operator in a region; a tenth of
	// Day.
	Operator int64
}

// sending decides whether a code may be sent.
type sending struct {
	Sending
	warned atomic.Int64 // until when the log knows that the budget is spent
}

func newSending(most Sending) *sending {
	if len(most.Prefixes) == 0 {
		most.Prefixes = []string{"+79"}
	}
	if most.Hour == 0 {
		most.Hour = 5_000
	}
	if most.Day == 0 {
		most.Day = 40_000
	}
	if most.Operator == 0 {
		most.Operator = max(1, most.Day/10)
	}
	return &sending{Sending: most}
}

// sendLimit is one limit of sending. Those of a contact keep when they end, to say it to the minute.
type sendLimit struct {
	key    string
	window time.Duration
	most   int64
	ends   bool
}

// limits are all that holds for a request, the nearest first: what is refused by a near one does not use up the far ones.
func (s *sending) limits(req CodeRequest) []sendLimit {
	contact := req.Channel + "/" + req.To
	address, network := prefixes(req.Origin.Address)
	hour := int64(mailHourMost)
	var out []sendLimit
	if req.Channel == "sms" {
		hour = smsHourMost
		out = append(out, sendLimit{"send-minute/" + string(req.Purpose) + "/" + contact, resendAfter, 1, true})
	}
	out = append(out,
		sendLimit{"send/" + contact, sendWindow, sendMost, true},
		sendLimit{"send-hour/" + contact, time.Hour, hour, true},
		sendLimit{"send-day/" + contact, 24 * time.Hour, sendDayMost, true},
	)
	if req.Browser != "" {
		out = append(out, sendLimit{"send-browser/" + req.Browser, time.Hour, browserMost, false})
	}
	out = append(out,
		sendLimit{"send-origin/" + address, sendWindow, addressMost10, false},
		sendLimit{"send-network/" + network, sendWindow, networkMost10, false},
	)
	if req.Channel != "sms" {
		return out
	}
	out = append(out,
		sendLimit{"send-range/" + req.To[:max(0, len(req.To)-4)], time.Hour, rangeMost, false},
		sendLimit{"send-operator/" + req.To[:min(6, len(req.To))], time.Hour, s.Operator, false},
	)
	day, all := s.Day, s.Hour
	if req.Purpose == ForSignUp { // strangers do not use up what people with an account need
		day, all = day-day/5, all-all/5
	}
	return append(out, sendLimit{sendAllKey + "hour", time.Hour, all, false}, sendLimit{sendAllKey + "day", 24 * time.Hour, day, false})
}

const sendAllKey = "send-all/"

// allowSend counts a sending before it is made, and says until when it may not be made.
func (s *Service) allowSend(ctx context.Context, req CodeRequest) error {
	reaches := func(prefix string) bool { return strings.HasPrefix(req.To, prefix) }
	if req.Channel == "sms" && !slices.ContainsFunc(s.sending.Prefixes, reaches) {
		return FieldError{Field: "phone", Message: "error.phone.foreign"}
	}
	now := s.now()
	for _, limit := range s.sending.limits(req) {
		n := s.limit.count(ctx, limit.key, 1, limit.window)
		if n == 1 && limit.ends {
			_ = s.cfg.Ephemera.Put(ctx, limit.key+"/ends", momentBytes(now.Add(limit.window)), limit.window)
		}
		if n <= limit.most {
			continue
		}
		until := now.Add(limit.window)
		if limit.ends {
			if raw, ok, err := s.cfg.Ephemera.Get(ctx, limit.key+"/ends"); err == nil && ok {
				until = moment(raw)
			}
		}
		if strings.HasPrefix(limit.key, sendAllKey) {
			s.limit.count(ctx, limit.key, -1, limit.window) // what strangers did not get is there for those with an account
			s.warnSpent(ctx, limit, until)
		}
		return ThrottledError{"send", until}
	}
	return nil
}

// warnSpent tells the log, once for each window, that no SMS goes out any more.
func (s *Service) warnSpent(ctx context.Context, limit sendLimit, until time.Time) {
	if was := s.sending.warned.Load(); s.now().UnixMilli() >= was && s.sending.warned.CompareAndSwap(was, until.UnixMilli()) {
		s.cfg.Log.ErrorContext(ctx, "the budget of SMS is spent", "window", limit.window, "most", limit.most)
	}
}
