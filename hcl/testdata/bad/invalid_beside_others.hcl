server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
  user "app" {
    host     = 10 # ERROR: "host" must be a string, not a number
    password = "other"
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  filter "every" {
    text  = 1 # ERROR: "text" must be a string, not a number
    count = 0 # ERROR: count: must be at least 1
  }
  filter "every" { # ERROR: filter "every" has no text
    count = -1 # ERROR: count: must be at least 1
    pattern "p" {
      match = "[" # ERROR: pattern p: match: error parsing regexp: missing closing ]: `[`
      flags = "x" # ERROR: "flags" must be a whole number, not a string
    }
  }
  router "fan" {
    servers = [server.db1, 1] # ERROR: each of "servers" must be a server, not a number
  }
}
