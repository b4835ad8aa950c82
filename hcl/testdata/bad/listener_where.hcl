server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "both" {
  address  = "127.0.0.1:4006"
  socket   = "/run/weir.sock" # ERROR: listener "both" has both address and socket
  accounts = accounts.main
  pipeline = pipeline.app
}

listener "neither" { # ERROR: listener "neither" has neither address nor socket
  accounts = accounts.main
  pipeline = pipeline.app
}

listener "mode" {
  address     = "127.0.0.1:4006"
  socket_mode = "0700" # ERROR: socket_mode without socket
  accounts    = accounts.main
  pipeline    = pipeline.app
}

listener "first" {
  address  = "127.0.0.1:4007"
  accounts = accounts.main
  pipeline = pipeline.app
}

listener "second" {
  address  = "127.0.0.1:4007" # ERROR: address is taken by listener "first"
  accounts = accounts.main
  pipeline = pipeline.app
}

listener "misspelt" {
  adress   = "127.0.0.1:4008" # ERROR: unknown setting "adress" in listener "misspelt"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}
