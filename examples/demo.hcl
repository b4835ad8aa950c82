# What `make demo` runs. cmd/weir-demo serves the three servers and sets the WEIR_DEMO variables.

server "primary"  { address = "127.0.0.1:${env("WEIR_DEMO_PRIMARY_PORT")}" }
server "replica1" { address = "127.0.0.1:${env("WEIR_DEMO_REPLICA1_PORT")}" }
server "replica2" { address = "127.0.0.1:${env("WEIR_DEMO_REPLICA2_PORT")}" }

accounts "main" {
  user "app" { password = env("WEIR_DEMO_PASSWORD") }
}

listener "app" {
  address  = "127.0.0.1:${env("WEIR_DEMO_PORT")}"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  filter "querylog" { path = env("WEIR_DEMO_QUERYLOG") }
  router "connection" { servers = [server.primary, server.replica1, server.replica2] }
}

process {
  shutdown_timeout = "5s"
}
