package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/keys/cms"
)

// Signatures is whose electronic signatures are believed. Every path is a file in PEM or DER, or a folder
// of such files; nothing is trusted by default, and without a root nobody signs in by a signature.
type Signatures struct {
	Roots         []string      `yaml:"roots"`          // certificates of the authorities at the top
	Intermediates []string      `yaml:"intermediates"`  // issuers that a signature need not carry
	Lists         []string      `yaml:"lists"`          // revocation lists, which another program keeps fresh
	Reload        time.Duration `yaml:"reload"`         // how often the files are read again; a minute when zero
	CAdESRequired bool          `yaml:"cades_required"` // refuse a signature without the signed certificate attribute
	PluginScript  string        `yaml:"plugin_script"`  // file of the vendor's by which pages reach a plug-in of the browser; none: only what offers itself
}

// Enabled reports whether anybody is trusted.
func (s Signatures) Enabled() bool { return len(s.Roots) > 0 }

// signingSkew is how far a signer's clock may be from ours (E02).
const signingSkew = 5 * time.Minute

// trustKeeper holds the trust that is in force, read anew as the files change.
type trustKeeper struct {
	cfg   Signatures
	live  atomic.Pointer[cms.Trust]
	stamp string // of the files that are in force; load alone reads and writes it
}

// newTrustKeeper reads the files for the first time.
func newTrustKeeper(cfg Signatures) (*trustKeeper, error) {
	k := &trustKeeper{cfg: cfg}
	return k, k.load()
}

// load puts what the files say now in force, or leaves what was when they do not read or have not changed:
// lists are large, and what was verified of them is worth keeping.
func (k *trustKeeper) load() error {
	stamp, err := stampOf(slices.Concat(k.cfg.Roots, k.cfg.Intermediates, k.cfg.Lists))
	if err != nil {
		return fmt.Errorf("signatures: %w", err)
	}
	if stamp == k.stamp {
		return nil
	}
	cfg := cms.TrustConfig{Skew: signingSkew, CAdES: k.cfg.CAdESRequired}
	for _, set := range []struct {
		name  string
		paths []string
		into  *[][]byte
	}{
		{"roots", k.cfg.Roots, &cfg.Roots},
		{"intermediates", k.cfg.Intermediates, &cfg.Intermediates},
		{"lists", k.cfg.Lists, &cfg.Lists},
	} {
		files, err := readFiles(set.paths)
		if err != nil {
			return fmt.Errorf("signatures.%s: %w", set.name, err)
		}
		*set.into = files
	}
	trust, err := cms.NewTrust(cfg)
	if err != nil {
		return fmt.Errorf("signatures: %w", err)
	}
	k.live.Store(trust)
	k.stamp = stamp
	return nil
}

// stampOf changes when a file comes, goes, or is written.
func stampOf(paths []string) (string, error) {
	var out strings.Builder
	for _, path := range paths {
		names, err := filesOf(path)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			if info, err := os.Stat(name); err == nil {
				fmt.Fprintf(&out, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return out.String(), nil
}

// filesOf is a file, or every file of a folder by the order of names; hidden ones are passed over.
func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	return filepath.Glob(filepath.Join(path, "[^.]*"))
}

// readFiles reads files and folders of files.
func readFiles(paths []string) ([][]byte, error) {
	var out [][]byte
	for _, path := range paths {
		names, err := filesOf(path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if errors.Is(err, fs.ErrNotExist) { // replaced at this very moment; the next reading finds it
				continue
			}
			if err != nil {
				return nil, err
			}
			out = append(out, text)
		}
	}
	return out, nil
}

// Verify satisfies login.Config.VerifySignature.
func (k *trustKeeper) Verify(_ context.Context, message, content []byte, at time.Time) (*cms.Signer, error) {
	return k.live.Load().Verify(message, content, at)
}

// dated lists every certificate and revocation list that signatures are verified by.
func (k *trustKeeper) dated() []keys.Dated {
	notes := map[string]string{
		"root": "nobody of this authority can sign in after it", "intermediate": "nobody of this authority can sign in after it",
		"list": "its certificates are refused after it: fetch a new list",
	}
	var out []keys.Dated
	for _, d := range k.live.Load().Dates() {
		out = append(out, keys.Dated{Kind: signatureKind + d.Kind, Name: d.Name, Until: d.Until, Note: notes[d.Kind]})
	}
	return out
}

// signatureKind begins the kind of what signatures are verified by. Its end is a warning and no reason to
// take the node away: everybody else signs in without it.
const signatureKind = "signature-"

// openSignatures reads whom to trust, when anybody.
func (a *App) openSignatures(context.Context) (err error) {
	if a.cfg.Signatures.Enabled() {
		a.signatures, err = newTrustKeeper(a.cfg.Signatures)
	}
	return err
}

// watchSignatures reads the files again and again.
func (a *App) watchSignatures(ctx context.Context) error {
	for a.signatures != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(a.cfg.Signatures.Reload):
		}
		if err := a.signatures.load(); err != nil {
			a.log.ErrorContext(ctx, "the files that signatures are verified by do not read; the ones before stay in force", "error", err)
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// pluginScript serves the vendor's file from this site, so that the pages' policy stays what it is, and returns its address. It stands in the
// pages that ask for a signature, and runs with everything that they show and send.
func (a *App) pluginScript() (string, error) {
	file := a.cfg.Signatures.PluginScript
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("signatures.plugin_script: %w", err)
	}
	return a.pages.Serve("plugin.js", text)
}
