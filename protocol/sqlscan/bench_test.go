package sqlscan

import (
	"bytes"
	"testing"
)

// benchTexts are the statements that benchmarks read: sysbench's point select, an INSERT of 100 rows and 14 KB, and a
// join of 20 lines.
func benchTexts() [3][]byte {
	var insert bytes.Buffer
	insert.WriteString("INSERT INTO sbtest1 (k, c) VALUES ")
	for i := range 100 {
		if i > 0 {
			insert.WriteString(", ")
		}
		insert.WriteString("(4986, '83868641912-28773972837-60736120486-75162659906-27563526494-" +
			"20381887404-41576422241-93426793964-56405065102-33518432330')")
	}
	return [3][]byte{
		[]byte("SELECT c FROM sbtest1 WHERE id=12345"),
		insert.Bytes(),
		[]byte(`SELECT c.customer_id, c.first_name, c.last_name,
       COUNT(DISTINCT o.order_id) AS orders,
       SUM(i.quantity * i.unit_price) AS revenue,
       MAX(o.created_at) AS last_order
FROM customers AS c
JOIN orders AS o ON o.customer_id = c.customer_id
JOIN order_items AS i ON i.order_id = o.order_id
LEFT JOIN products AS p ON p.product_id = i.product_id
LEFT JOIN categories AS g ON g.category_id = p.category_id
WHERE o.status IN ('paid', 'shipped', 'delivered')
  AND o.created_at >= '2026-01-01'
  AND o.created_at < '2026-07-01'
  AND c.country = 'DE'
  AND (g.name LIKE 'garden%' OR g.parent_id = 17)
  AND i.quantity > 0
GROUP BY c.customer_id, c.first_name, c.last_name
HAVING revenue > 1000
ORDER BY revenue DESC, c.last_name LIMIT 50`),
	}
}

func benchmarkScan(b *testing.B, text []byte) {
	b.Helper()
	var s Scanner
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s.Scan(text, 0)
	}
}

func BenchmarkPointSelect(b *testing.B) { benchmarkScan(b, benchTexts()[0]) }

func BenchmarkInsert(b *testing.B) { benchmarkScan(b, benchTexts()[1]) }

func BenchmarkJoin(b *testing.B) { benchmarkScan(b, benchTexts()[2]) }

func BenchmarkDescribe(b *testing.B) {
	var s Scanner
	canonical, _, _ := s.Scan(benchTexts()[2], 0)
	b.ReportAllocs()
	for b.Loop() {
		Describe(canonical, 0)
	}
}
