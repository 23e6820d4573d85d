package templates

import (
	"bytes"
	"fmt"
	"strings"
)

// Message is a rendered notice. An SMS has Text alone, a push message no HTML.
type Message struct {
	Subject, Text, HTML string
}

// mail is what the layout of a mail sees.
type mail struct {
	Lang, Subject string
	Paragraphs    []string
	Code, Link    string
}

// Message renders a notice: message.NAME.sms is the text of an SMS, message.NAME.subject and message.NAME.text (with paragraphs
// divided by empty lines) of a mail, or the title and the body of a push message. Args are the words' own; Code and Link stand on lines of their own. The
// last line of an SMS with a code is bound to the host by which phones fill it in (https://wicg.github.io/sms-one-time-codes/).
func (s *Set) Message(name, channel, lang string, args map[string]string) (Message, error) {
	data := make(map[string]any, len(args))
	for k, v := range args {
		data[k] = v
	}
	if channel == "sms" {
		text, err := s.words.text(lang, "message."+name+".sms", data)
		if err != nil {
			return Message{}, err
		}
		if args["Code"] != "" && args["Host"] != "" {
			text += "\n\n@" + args["Host"] + " #" + args["Code"]
		}
		return Message{Text: text}, nil
	}
	subject, err := s.words.text(lang, "message."+name+".subject", data)
	if err != nil {
		return Message{}, err
	}
	text, err := s.words.text(lang, "message."+name+".text", data)
	if err != nil {
		return Message{}, err
	}
	if channel == "push" {
		return Message{Subject: subject, Text: text}, nil
	}
	m := mail{Lang: lang, Subject: subject, Paragraphs: strings.Split(strings.TrimSpace(text), "\n\n"), Code: args["Code"], Link: args["Link"]}
	var html bytes.Buffer
	if err := s.mails[lang].ExecuteTemplate(&html, "mail.html", m); err != nil {
		return Message{}, fmt.Errorf("rendering mail %s: %w", name, err)
	}
	return Message{Subject: subject, Text: m.plain(), HTML: html.String()}, nil
}

// plain is the mail as text.
func (m mail) plain() string {
	lines := append([]string{}, m.Paragraphs...)
	if m.Code != "" {
		lines = append(lines, m.Code)
	}
	if m.Link != "" {
		lines = append(lines, m.Link)
	}
	return strings.Join(lines, "\n\n") + "\n"
}
