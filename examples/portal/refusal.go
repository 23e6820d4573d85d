package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// refusal is a protocol error, or one of ours, as a person is told of it.
type refusal struct {
	Code        string
	Description string
	Again       string // path of another try; empty for none
}

func (r refusal) Error() string { return r.Code + ": " + r.Description }

func refused(status int, body []byte) error {
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Code == "" {
		return fmt.Errorf("status %d", status)
	}
	// What the provider says of our own request is for the log; the person cannot mend it.
	return fmt.Errorf("status %d: %s: %s", status, said.Code, said.Description)
}

func (r refusal) status() int {
	switch r.Code {
	case "server_error", "temporarily_unavailable":
		return http.StatusBadGateway
	case "not_found":
		return http.StatusNotFound
	}
	return http.StatusForbidden
}

func (r refusal) title() string {
	switch r.Code {
	case "access_denied":
		return "Вход отменён"
	case "unmet_authentication_requirements":
		return "Услуге нужен уровень выше"
	case "stale":
		return "Вход начат давно или в другом браузере"
	case "not_found":
		return "Такого здесь нет"
	}
	return "Не получилось войти"
}

// Sentence tells the person what happened and what to do.
func (r refusal) Sentence() string {
	switch r.Code {
	case "access_denied":
		return "Вы не разрешили передать данные или прервали вход. Портал ничего о вас не узнал."
	case "unmet_authentication_requirements":
		return "Эта услуга доступна тем, чья учётная запись подтверждена. Уровень можно повысить в личном кабинете и вернуться."
	case "stale":
		return "Начните вход ещё раз."
	case "temporarily_unavailable":
		return "Вход временно недоступен. Попробуйте через несколько минут."
	case "not_found":
		return "Проверьте адрес или начните с главной страницы."
	}
	return "Что-то пошло не так на нашей стороне. Попробуйте ещё раз."
}
