package keys

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// indexLine is the id under which the key file holds the index key.
const indexLine = "index"

// LoadSealer reads the sealing keyring from a file of lines `ID BASE64`: the first seals, all open; the line
// `index BASE64` holds the key of the keyed hashes. The file must be readable by its owner alone.
func LoadSealer(path string) (*Sealer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading master keys: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("master keys %s have mode %04o: nobody but the owner may read them (chmod 600)", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading master keys: %w", err)
	}
	var masters []MasterKey
	var index Secret
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, encoded, _ := strings.Cut(line, " ")
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("master keys %s, line %d: ID and 32 bytes in base64 are wanted", path, n)
		}
		if id == indexLine {
			index = NewSecret(string(raw))
			continue
		}
		masters = append(masters, MasterKey{ID: id, Key: NewSecret(string(raw))})
	}
	s, err := NewSealer(masters, index)
	if err != nil {
		return nil, fmt.Errorf("master keys %s: %w", path, err)
	}
	return s, nil
}

// OpenSealer is LoadSealer, but makes the file with fresh keys when there is none: the embedded default's
// first start. Of several processes that start at once, one makes it.
func OpenSealer(path string, now time.Time) (*Sealer, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = createKeyFile(path, now)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making master keys: %w", err)
	}
	return LoadSealer(path)
}

// createKeyFile writes beside the file and links it into place, so that nobody reads half of it.
func createKeyFile(path string, now time.Time) error {
	draft, err := os.CreateTemp(filepath.Dir(path), ".master-keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = fmt.Fprintf(draft, "# Whoever has this file and the database reads everything. Keep a copy elsewhere; see docs/running.md.\nm%s %s\n%s %s\n",
		now.UTC().Format("20060102"), encodeKey(NewMasterKey()), indexLine, encodeKey(NewMasterKey()))
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	return os.Link(draft.Name(), path)
}

func encodeKey(k Secret) string { return base64.StdEncoding.EncodeToString([]byte(k.Reveal())) }
