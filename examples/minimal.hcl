# The least there is: one server, one user, one place to connect to.
#
#   APP_PASSWORD=secret weir run examples/minimal.hcl
#   mariadb -h 127.0.0.1 -P 4006 -u app -p

server "db1" { address = "127.0.0.1:3306" }

accounts "main" {
  user "app" { password = env("APP_PASSWORD") }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  router "connection" { servers = [server.db1] }
}
