process {
  workers          = 2
  worker_load      = 50
  io_uring         = false
  shutdown_timeout = "1m30s"
  log {
    format = "json"
    level  = "debug"
  }
}

server "db1" {
  address         = "127.0.0.1:3306"
  weight          = 2
  rank            = 2
  connect_timeout = "500ms"
}

accounts "main" {
  user "app" {
    host     = "10.%"
    password = env("WEIR_TEST")
  }
  user "app" {
    host     = "localhost"
    password = file("secret")
  }
  user "other" {
    password = env("EMPTY")
  }
}

listener "tcp" {
  address         = "127.0.0.1:4006"
  accounts        = accounts.main
  pipeline        = pipeline.app
  login_timeout   = "3s"
  write_timeout   = "2m"
  max_connections = 100
}

listener "socket" {
  socket      = "/run/weir/app.sock"
  socket_mode = "0770"
  accounts    = (accounts.main)
  pipeline    = pipeline.app
}

pipeline "app" {
  filter "every" {
    text  = "a ${env("WEIR_TEST")} b"
    count = 2 * 3
    ratio = 0.5
    on    = 1 < 2
    every = "1s"
    tags  = [for tag in ["x", "y"] : "${tag}!"]
    size  = "64KiB"
    pattern "p" {
      match = "a+"
      flags = 255
    }
    pattern "q" {
      match = "b"
    }
    limits {
      rows = 5
    }
  }
  filter "plain" {
  }
  filter "every" {
    text = "again"
    tags = []
  }
  router "fan" {
    servers = [server.db1]
  }
}
