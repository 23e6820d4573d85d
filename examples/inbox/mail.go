package inbox

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/vhod-id/vhod/examples/faults"
)

// ServeMail receives mail over SMTP on a listener until ctx ends. Everybody may send to everybody: it
// is for loopback alone.
func (s *Server) ServeMail(ctx context.Context, l net.Listener) error {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &delivery{ctx: ctx, server: s}, nil
	}))
	server.Domain = "localhost"
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.MaxMessageBytes = 1 << 20
	stop := context.AfterFunc(ctx, func() {
		_ = server.Close()
		_ = l.Close() // the server closes it only once it has begun to serve
	})
	defer stop()
	if err := server.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) && ctx.Err() == nil {
		return fmt.Errorf("receiving mail: %w", err)
	}
	return nil
}

// delivery is one SMTP session.
type delivery struct {
	ctx    context.Context
	server *Server
	to     []string
}

func (d *delivery) Reset()                               { d.to = nil }
func (d *delivery) Logout() error                        { return nil }
func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch d.server.cfg.Faults.Strike(d.ctx, FaultMail) {
	case faults.Down, faults.Timeout:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	case faults.Refuse:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	d.to = append(d.to, to)
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	subject, text, err := parseMail(r)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	for _, to := range d.to {
		d.server.cfg.Box.Add(Message{Channel: "mail", To: to, Subject: subject, Text: text})
	}
	return nil
}

// parseMail returns the subject and the plain text of a message.
func parseMail(r io.Reader) (subject, text string, err error) {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return "", "", fmt.Errorf("reading the message: %w", err)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return "", "", fmt.Errorf("reading the subject: %w", err)
	}
	text, err = plainText(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return subject, strings.ReplaceAll(text, "\r\n", "\n"), err
}

// plainText finds the first text/plain part, in depth; a lone part of another kind is taken as it is.
func plainText(contentType, encoding string, body io.Reader) (string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		text, err := io.ReadAll(decoded(encoding, body))
		return string(text), err
	}
	parts, first := multipart.NewReader(body, params["boundary"]), ""
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return first, nil
		}
		if err != nil {
			return "", fmt.Errorf("reading the parts: %w", err)
		}
		text, err := plainText(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part)
		if err != nil {
			return "", err
		}
		partKind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if partKind == "text/plain" || partKind == "" {
			return text, nil
		}
		if first == "" {
			first = text
		}
	}
}

func decoded(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	}
	return body
}
