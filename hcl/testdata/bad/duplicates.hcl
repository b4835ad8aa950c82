process {
  log {
  }
  log { # ERROR: second log block in process
  }
}

process { # ERROR: second process block
}

server "db1" {
  address = "127.0.0.1:3306"
}

server "db1" { # ERROR: second server "db1"
  address = 5 # ERROR: "address" must be a string, not a number
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

accounts "main" { # ERROR: second accounts "main"
  user "app" {
    password = "secret"
  }
  user "app" { # ERROR: second user "app" with host "%"
    password = "other"
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

listener "app" { # ERROR: second listener "app"
  address  = "127.0.0.1:4007"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}

pipeline "app" { # ERROR: second pipeline "app"
  router "fan" {
    servers = [server.db1]
  }
}
