package main

import (
	"fmt"
	"strings"
)

var customers = [][2]string{
	{"Ada Nowak", "Warsaw"},
	{"Bilal Hassan", "Amman"},
	{"Chiara Russo", "Turin"},
	{"Dag Lund", "Bergen"},
	{"Elif Kaya", "Izmir"},
	{"Femi Adeyemi", "Lagos"},
	{"Grace Kim", "Busan"},
	{"Hugo Martin", "Lyon"},
	{"Ines Costa", "Porto"},
	{"Jonas Weber", "Bremen"},
	{"Keiko Mori", "Kyoto"},
	{"Liam Byrne", "Galway"},
}

// products are names and prices in cents.
var products = []struct {
	name  string
	cents int
}{
	{"Anvil", 8900},
	{"Bellows", 4250},
	{"Chisel", 1495},
	{"Drawknife", 3675},
	{"File", 995},
	{"Gouge", 2140},
	{"Hammer", 2390},
	{"Mallet", 1850},
	{"Plane", 6400},
	{"Rasp", 1325},
	{"Saw", 2780},
	{"Tongs", 3310},
	{"Try square", 1575},
	{"Vise", 11200},
}

const orders = 24

var states = []string{"delivered", "delivered", "sent", "paid", "open"}

// shop returns the statements that make the shop database. They are the same every time.
func shop() []string {
	return []string{
		`CREATE TABLE customers (
			id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL, city VARCHAR(60) NOT NULL)`,
		`CREATE TABLE products (
			id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL, price DECIMAL(8,2) NOT NULL, stock INT NOT NULL)`,
		`CREATE TABLE orders (
			id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT NOT NULL, placed DATETIME NOT NULL,
			state VARCHAR(20) NOT NULL, KEY (customer_id))`,
		`CREATE TABLE order_items (
			order_id INT NOT NULL, product_id INT NOT NULL, quantity INT NOT NULL, PRIMARY KEY (order_id, product_id))`,
		insertCustomers(), insertProducts(), insertOrders(), insertItems(),
	}
}

func insertCustomers() string {
	var rows []string
	for _, c := range customers {
		rows = append(rows, fmt.Sprintf("('%s', '%s')", c[0], c[1]))
	}
	return "INSERT INTO customers (name, city) VALUES " + strings.Join(rows, ", ")
}

func insertProducts() string {
	var rows []string
	for i, p := range products {
		rows = append(rows, fmt.Sprintf("('%s', %d.%02d, %d)", p.name, p.cents/100, p.cents%100, 5+i*7%40))
	}
	return "INSERT INTO products (name, price, stock) VALUES " + strings.Join(rows, ", ")
}

func insertOrders() string {
	var rows []string
	for i := range orders {
		rows = append(rows, fmt.Sprintf("(%d, '2026-10-%02d %02d:%02d:00', '%s')",
			1+i*5%len(customers), 1+i, 8+i*7%12, i*13%60, states[i*len(states)/orders]))
	}
	return "INSERT INTO orders (customer_id, placed, state) VALUES " + strings.Join(rows, ", ")
}

// insertItems gives every order one to four products.
func insertItems() string {
	var rows []string
	for i := range orders {
		for j := range 1 + i%4 {
			rows = append(rows, fmt.Sprintf("(%d, %d, %d)", 1+i, 1+(i*3+j*5)%len(products), 1+(i+j)%3))
		}
	}
	return "INSERT INTO order_items (order_id, product_id, quantity) VALUES " + strings.Join(rows, ", ")
}
