server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "app" {
  address       = "127.0.0.1:4006"
  accounts      = accounts.main
  pipeline      = pipeline.app
  login_timeout = 10 # ERROR: "login_timeout" is a duration without a unit
  write_timeout = "60" # ERROR: "write_timeout" is a duration without a unit
}

process {
  shutdown_timeout = "1 minute" # ERROR: "shutdown_timeout" is not a duration
}

server "db2" {
  address         = "127.0.0.1:3307"
  connect_timeout = "-5s" # ERROR: "connect_timeout" is out of range
}

pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}
