// Package protocoltest is a fake server and a fake client for tests. Each plays a list of steps over a real
// connection, packets right or wrong:
//
//	server := protocoltest.NewServer(t, func(int) []protocoltest.Step {
//		return []protocoltest.Step{
//			protocoltest.Greet(protocoltest.MariaDB()), protocoltest.AcceptLogin(),
//			protocoltest.ExpectQuery("SELECT 1"), protocoltest.ReplyRows([]string{"1"}, []string{"1"}),
//		}
//	})
//	client := protocoltest.Dial(t, server.Addr)
//	client.Run(t, protocoltest.Login("app", "secret"),
//		protocoltest.Query("SELECT 1"), protocoltest.ExpectRows([]string{"1"}))
package protocoltest
