package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/wneessen/go-mail"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/templates"
)

// SMTPConfig is a mail server.
type SMTPConfig struct {
	Server   string // host:port; port 465 speaks TLS from the start, the others by STARTTLS
	From     string // address, or Name <address>
	Username string // no authentication when empty
	Password keys.Secret
	Plain    bool // without TLS: for a relay on loopback alone
}

// SMTP sends mail as text and HTML.
type SMTP struct {
	cfg     SMTPConfig
	host    string
	options []mail.Option
}

// NewSMTP checks the configuration; it does not connect.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	host, portText, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("mail server %s: port: %w", cfg.Server, err)
	}
	if err := mail.NewMsg().From(cfg.From); err != nil {
		return nil, fmt.Errorf("mail sender: %w", err)
	}
	s := &SMTP{cfg: cfg, host: host, options: []mail.Option{mail.WithPort(port), mail.WithTimeout(sendTimeout)}}
	switch {
	case cfg.Plain && !loopback(host):
		return nil, fmt.Errorf("mail server %s: plain SMTP outside loopback", cfg.Server)
	case cfg.Plain:
		s.options = append(s.options, mail.WithTLSPolicy(mail.NoTLS))
	case port == 465:
		s.options = append(s.options, mail.WithSSL())
	default:
		s.options = append(s.options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if cfg.Username != "" {
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(cfg.Username), mail.WithPassword(cfg.Password.Reveal()))
	}
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send implements Sender; to is an address.
func (s *SMTP) Send(ctx context.Context, to string, m templates.Message) error {
	msg := mail.NewMsg()
	if err := msg.From(s.cfg.From); err != nil {
		return errors.New("mail: the sender's address is wrong")
	}
	if err := msg.To(to); err != nil {
		return fmt.Errorf("mail: the address is wrong: %w", ErrRefused) // the library's text would name it
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday answers, please
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return explain(client.DialAndSendWithContext(ctx, msg))
}

// explain keeps the reason of a failure and drops the server's text, which may quote the address.
func explain(err error) error {
	var failed *mail.SendError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		return fmt.Errorf("mail: %w", err)
	case !failed.IsTemp() && failed.Reason == mail.ErrSMTPRcptTo:
		return fmt.Errorf("mail: %s: code %d: %w", failed.Reason, failed.ErrorCode(), ErrRefused)
	}
	return fmt.Errorf("mail: %s: code %d", failed.Reason, failed.ErrorCode())
}
