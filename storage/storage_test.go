package storage_test

import (
	"strings"
	"testing"

	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

func TestADumpOfSQLiteShowsNothing(t *testing.T) {
	storagetest.NothingLegible(t, storagetest.InFile(t), storagetest.InFile(t))
}

func TestADumpOfPostgreSQLAndRedisShowsNothing(t *testing.T) {
	storagetest.NothingLegible(t, storagetest.Postgres(t), storagetest.Redis(t))
}

func TestAURLThatOpensNothingIsRefusedWithoutItsPassword(t *testing.T) {
	for _, url := range []string{
		"", "mysql://vhod:Tr0mbone@db/vhod", "sqlite://", "sqlite://:memory:", "sqlite:///tmp/x.db?synchronous=off",
		"postgres://vhod:Tr0mbone@127.0.0.1:1/vhod?sslmode=disable", "postgres://vhod:Tr0mbone@127.0.0.1:port/vhod",
		"redis://vhod:Tr0mbone@127.0.0.1:1/0", "redis://vhod:Tr0mbone@127.0.0.1:port/0", "redis://vhod:Tr0mbone@127.0.0.1:1/many",
	} {
		cfg := storage.Config{URL: url, Sealer: storagetest.Sealer(t), Now: storagetest.NewClock().Now}
		_, err := storage.OpenRecords(t.Context(), cfg)
		_, err2 := storage.OpenEphemera(t.Context(), cfg)
		for _, err := range []error{err, err2} {
			if err == nil || strings.Contains(err.Error(), "Tr0mbone") {
				t.Errorf("%s: %v", strings.ReplaceAll(url, "Tr0mbone", "•••"), err)
			}
		}
	}
}
