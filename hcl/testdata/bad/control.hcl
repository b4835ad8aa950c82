server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "app" {
  socket   = "/run/weir/weir.sock"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}

control { # ERROR: socket is taken by listener "app"
  socket_mode = "rw" # ERROR: socket_mode: "rw" is not three octal digits such as 0770
  mode        = "0600" # ERROR: unknown setting "mode" in control
}

control { # ERROR: second control block
}

control "more" { # ERROR: second control block # ERROR: control takes no label
}
