package records_test

import (
	"testing"

	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

func TestRecordsOnSQLite(t *testing.T) {
	storagetest.Records(t, storagetest.InFile)
}

func TestRecordsOnPostgreSQL(t *testing.T) {
	storagetest.Records(t, storagetest.Postgres)
}

func TestNodesMigrateTogetherOnSQLite(t *testing.T) { storagetest.Migrations(t, storagetest.InFile) }

func TestNodesMigrateTogetherOnPostgreSQL(t *testing.T) {
	storagetest.Migrations(t, storagetest.Postgres)
}

func BenchmarkRecordsOnSQLite(b *testing.B)     { storagetest.BenchRecords(b, storagetest.InFile(b)) }
func BenchmarkRecordsOnPostgreSQL(b *testing.B) { storagetest.BenchRecords(b, storagetest.Postgres(b)) }
