package sim_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/sim"
)

// forEachRow reads the lines of a file of the real data, or skips the test where
// the file is not. It gives the first fields of a line, and so many of its last
// ones; what lies between may be quoted. A reader of all of CSV takes several times
// as long under the race detector.
func forEachRow(t *testing.T, name string, rows int, first, last []string, do func(row []string)) {
	t.Helper()
	path := filepath.Join(cmp.Or(os.Getenv("STRATA_DATA"), "../../shared/data"), name)
	file, err := os.Open(path)
	if err != nil {
		t.Skipf("the real data is not here (STRATA_DATA says where): %v", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	lines := bufio.NewScanner(unzipped)
	row := make([]string, len(first)+len(last))
	for n := 0; n <= rows && lines.Scan(); n++ {
		line := lines.Text()
		for i := range first {
			row[i], line, _ = strings.Cut(line, ",")
		}
		for i := len(row) - 1; i >= len(first); i-- {
			comma := strings.LastIndexByte(line, ',')
			row[i], line = line[comma+1:], line[:max(comma, 0)]
		}
		if n == 0 {
			require.Equal(t, append(first, last...), row)
			continue
		}
		do(row)
	}
	require.NoError(t, lines.Err())
}

// shopSessions are the pages of each session of a clothing shop, numbered 1 to 5.
func shopSessions(t *testing.T) [][]sim.Click {
	t.Helper()
	at := map[string]int{}
	var sessions [][]sim.Click
	forEachRow(t, "eshop_clothing_2008.csv.gz", math.MaxInt, []string{"year", "month", "day", "order", "country", "session_id"}, []string{"page"}, func(row []string) {
		i, known := at[row[5]]
		if !known {
			i = len(sessions)
			at[row[5]] = i
			sessions = append(sessions, nil)
		}
		page, err := strconv.Atoi(row[6])
		if err != nil {
			t.Fatal(err)
		}
		sessions[i] = append(sessions[i], sim.Click{Page: "page-" + row[6], Depth: page})
	})
	return sessions
}

// retailOrders are the invoices of customers of a gift shop, without cancelled
// ones: of all 12 months in long tests, else of the first 7.
func retailOrders(t *testing.T) []sim.Order {
	t.Helper()
	rows := 260_000
	if seed.Long() {
		rows = math.MaxInt
	}
	at := map[string]int{}
	var orders []sim.Order
	forEachRow(t, "online_retail.csv.gz", rows, []string{"InvoiceNo"}, []string{"Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}, func(row []string) {
		invoice, customer := row[0], row[4]
		if customer == "" || invoice[0] == 'C' {
			return
		}
		i, known := at[invoice]
		if !known {
			when, err := time.Parse(time.DateTime, row[2])
			if err != nil {
				t.Fatal(err)
			}
			i = len(orders)
			at[invoice] = i
			orders = append(orders, sim.Order{Customer: customer, Time: when})
		}
		quantity, err := strconv.ParseFloat(row[1], 64)
		price, err2 := strconv.ParseFloat(row[3], 64)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		orders[i].Total += int64(math.Round(100 * quantity * price))
	})
	return orders
}

// kolmogorov is the largest distance between two empirical distributions.
func kolmogorov(a, b []float64) float64 {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	most, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		x := min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		most = max(most, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return most
}

// quantiles are those at 10, 25, 50, 75 and 90 %.
func quantiles(list []float64) (q [5]float64) {
	list = slices.Sorted(slices.Values(list))
	for i, p := range []float64{0.1, 0.25, 0.5, 0.75, 0.9} {
		q[i] = list[int(p*float64(len(list)))]
	}
	return q
}
