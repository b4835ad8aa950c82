server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "a" {
    password = env("NO_SUCH_VARIABLE") # ERROR: environment variable "NO_SUCH_VARIABLE" is not set
  }
  user "b" {
    password = file("missing") # ERROR: open dir/missing: no such file or directory
  }
  user "c" {
    password = file("/etc/missing") # ERROR: open /etc/missing: no such file or directory
  }
  user "d" {
    password = env("LATIN1") # ERROR: LATIN1: not text in UTF-8, normalized as NFC
  }
  user "e" {
    password = env() # ERROR: not enough function arguments
  }
  user "f" {
    password = env("A", "B") # ERROR: too many function arguments
  }
  user "g" {
    password = "x" + 1 # ERROR: invalid operand
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}
