# ERROR: no listener block

server "db1" {
  address = "127.0.0.1:3306"
}
