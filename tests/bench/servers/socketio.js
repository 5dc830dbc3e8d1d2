// Socket.IO with its Redis adapter: `node socketio.js PORT REDIS_PORT`. A message goes to everybody
// of the room that the connection's query names.
const { createServer } = require("http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

async function main(port, redisPort) {
  const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer();
  const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
  io.adapter(createAdapter(publisher, subscriber));
  io.on("connection", (socket) => {
    const room = socket.handshake.query.room;
    socket.join(room);
    socket.on("m", (data) => io.to(room).emit("m", data));
  });
  http.listen({ port, host: "127.0.0.1", backlog: 4096 });
}

main(Number(process.argv[2]), Number(process.argv[3]));
