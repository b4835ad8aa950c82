process {
  logs { # ERROR: unknown block "logs" in process
    level = "info"
  }
}

server "db1" {
  address = "127.0.0.1:3306"
}

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

pipeline "app" {
  filer "plain" { # ERROR: unknown block "filer" in pipeline "app"
  }
  roter "fan" { # ERROR: unknown block "roter" in pipeline "app"
    servers = [server.db1]
  }
}
