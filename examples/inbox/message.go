package inbox

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Message is what somebody received.
type Message struct {
	ID      int64     `json:"id"` // grows by one
	At      time.Time `json:"at"` // on the stand's clock
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	Subject string    `json:"subject,omitempty"`
	Text    string    `json:"text"`
	Code    string    `json:"code,omitempty"` // found in Text
	Link    string    `json:"link,omitempty"` // found in Text
}

// Filter chooses messages; empty fields choose all.
type Filter struct {
	To      string
	Channel string
	After   int64
}

func (f Filter) chooses(m Message) bool {
	return m.ID > f.After && (f.Channel == "" || f.Channel == m.Channel) && (f.To == "" || strings.EqualFold(f.To, m.To))
}

// capacity is how many messages a Box keeps; the oldest go first.
const capacity = 10_000

// Box keeps the messages of the stand in memory.
type Box struct {
	now      func() time.Time
	mu       sync.Mutex
	last     int64
	messages []Message
	arrived  chan struct{} // closed at the next arrival
}

// NewBox makes an empty box whose messages are dated by now.
func NewBox(now func() time.Time) *Box {
	return &Box{now: now, arrived: make(chan struct{})}
}

// Add keeps a message: it gets its id and date here, and its code and link are found in its text.
func (b *Box) Add(m Message) {
	m.Code, m.Link = findCode(m.Text), findLink(m.Text)
	m.At = b.now().UTC()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	b.messages = append(b.messages, m)
	if len(b.messages) > capacity {
		b.messages = append([]Message(nil), b.messages[len(b.messages)-capacity:]...)
	}
	close(b.arrived)
	b.arrived = make(chan struct{})
}

// List returns the chosen messages, oldest first. When there is none it waits for the first until
// wait has passed (in real time) or ctx ends.
func (b *Box) List(ctx context.Context, f Filter, wait time.Duration) []Message {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		found, arrived := b.chosen(f)
		if len(found) > 0 || wait <= 0 {
			return found
		}
		select {
		case <-arrived:
		case <-timeout.C:
			return found
		case <-ctx.Done():
			return found
		}
	}
}

func (b *Box) chosen(f Filter) ([]Message, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []Message{}
	for _, m := range b.messages {
		if f.chooses(m) {
			found = append(found, m)
		}
	}
	return found, b.arrived
}

// Clear empties the box; ids go on from where they were.
func (b *Box) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = nil
}

var (
	link  = regexp.MustCompile(`https?://[^\s<>"]+`)
	bound = regexp.MustCompile(`#(\d{6})\b`)                   // the line that binds a code to a site: "@example.ru #123456"
	plain = regexp.MustCompile(`(?:^|[^\d+-])(\d{6})(?:$|\D)`) // six digits that are not part of a longer number
)

func findLink(text string) string {
	return strings.TrimRight(link.FindString(text), ".,;:!?)»")
}

func findCode(text string) string {
	text = link.ReplaceAllString(text, " ")
	for _, pattern := range []*regexp.Regexp{bound, plain} {
		if m := pattern.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}
