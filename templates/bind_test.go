package templates_test

import (
	"strings"
	"testing"

	"github.com/vhod-id/vhod/templates"
)

func TestANumberStaysWithWhatItCountsOnPagesAlone(t *testing.T) {
	set, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Text("ru", "code.lives", map[string]any{"Minutes": 5}); !strings.Contains(got, "5\u00a0мин") {
		t.Errorf("a line may end in the number: %q", got)
	}
	if got := set.Text("ru", "identify.shared-hint", nil); !strings.Contains(got, "30\u00a0минут") {
		t.Errorf("a line may end in the number: %q", got)
	}
	if got := set.Text("ru", "cookies.what", nil); !strings.Contains(got, "Куки\u00a0— ") {
		t.Errorf("a line may begin with the dash: %q", got)
	}
	m, err := set.Message("code-sign-up", "sms", "ru", map[string]string{"Code": "123456", "Minutes": "10", "Host": "id.example.ru"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.Text, "\u00a0") {
		t.Errorf("a text message has a space of two kinds: %q", m.Text)
	}
}
