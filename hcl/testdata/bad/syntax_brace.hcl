server "db1" { # ERROR: unclosed configuration block
  address = "127.0.0.1:3306"

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}
} # ERROR: argument or block definition required

pipeline "app" {
  timeout = "1s" # ERROR: unknown setting "timeout" in pipeline "app"
  router "fan" {
    servers = [server.db1]
  }
}
