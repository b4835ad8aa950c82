package pipeline

import "github.com/weirproxy/weir/protocol"

// Error answers a command with an ERR packet.
func Error(w ReplyWriter, e *protocol.SQLError) error {
	return w.WriteReply(&protocol.Chunk{
		Data: protocol.AppendPacket(nil, 0, e.Append(nil)), Count: 1, Kind: protocol.KindErr, Final: true,
	})
}
