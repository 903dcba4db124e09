package main

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// write makes a folder with two small files.
func write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"online_retail.csv.gz": `InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,a,A,6,2010-12-01 08:26:00,2.55,17850,UK
1,D,Discount,-1,2010-12-01 08:26:00,1.5,17850,UK
2,b,B,3,2010-12-02 08:26:00,0.001,,UK
C3,a,A,-2,2010-12-03 08:26:00,2.55,17850,UK
`,
		"eshop_clothing_2008.csv.gz": "year,month,day,order,session_id,page\n2008,4,1,1,1,1\n2008,4,1,2,1,3\n",
	} {
		file, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		zipped := gzip.NewWriter(file)
		_, err = zipped.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, zipped.Close())
		require.NoError(t, file.Close())
	}
	return dir
}

// Other totals than the published ones are a failure, and each is named. A
// second run finds everything stored.
func TestOtherTotalsFail(t *testing.T) {
	dir := write(t)
	dsn, schema := pgtest.Schema(t)
	for range 2 {
		err := run(t.Context(), dir, dsn, schema)
		require.ErrorContains(t, err, "all invoices: 3, and should be 25,900")
		require.ErrorContains(t, err, "all totals: £8.70, and should be £9,747,747.93")
		require.ErrorContains(t, err, "sales to known customers: totals: £13.80")
		require.ErrorContains(t, err, "sessions that reach page 3: 1, ")
		require.ErrorContains(t, err, "sessions that reach page 4: 0, ")
		require.NotContains(t, err.Error(), "as the results have them")
	}
	require.ErrorIs(t, run(t.Context(), t.TempDir(), dsn, schema), os.ErrNotExist)
}

func TestLongInvoicesAreSplit(t *testing.T) {
	v := &invoice{number: "7"}
	for i := range 1_001 {
		v.lines = append(v.lines, line{strata.Item{SKU: fmt.Sprint(i), Quantity: 2, Price: 50}, 100})
	}
	v.lines[1_000] = line{strata.Item{SKU: "D", Quantity: -1, Price: 30}, -30}
	parts := v.purchases()
	require.Len(t, parts, 3)
	require.Equal(t, []string{"7", "7#2", "7#3"}, []string{parts[0].OrderID, parts[1].OrderID, parts[2].OrderID})
	require.EqualValues(t, 100_000-30, parts[0].Total+parts[1].Total+parts[2].Total)
	require.EqualValues(t, 30, parts[2].Discount)
	require.Len(t, parts[2].Items, 1)
}

func TestMoneyIsWritten(t *testing.T) {
	require.Equal(t, "£1,234,567.08", pounds(123_456_708))
	require.Equal(t, "-£0.05", pounds(-5))
	require.Equal(t, "-1,000", thousands(-1_000))
}
