package ephemera_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/storage/ephemera"
	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

func TestEphemeraOnSQLite(t *testing.T) {
	storagetest.Ephemera(t, func(t testing.TB, now func() time.Time) account.Ephemera {
		return open(t, storagetest.InFile(t), now)
	})
}

func TestEphemeraOnRedis(t *testing.T) {
	storagetest.Ephemera(t, func(t testing.TB, now func() time.Time) account.Ephemera {
		return open(t, storagetest.Redis(t), now)
	})
}

func TestEphemeraOnARedisCluster(t *testing.T) {
	url := storagetest.RedisCluster(t)
	part := 0
	storagetest.Ephemera(t, func(t testing.TB, now func() time.Time) account.Ephemera {
		part++
		return open(t, url+"-"+strconv.Itoa(part), now)
	})
}

func open(t testing.TB, url string, now func() time.Time) *ephemera.Store {
	t.Helper()
	s, err := ephemera.Open(t.Context(), ephemera.Config{URL: url, Sealer: storagetest.Sealer(t), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func BenchmarkEphemeraOnSQLite(b *testing.B) {
	storagetest.BenchEphemera(b, open(b, storagetest.InFile(b), time.Now))
}

func BenchmarkEphemeraOnRedis(b *testing.B) {
	storagetest.BenchEphemera(b, open(b, storagetest.Redis(b), time.Now))
}
