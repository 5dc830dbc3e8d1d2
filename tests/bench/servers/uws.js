// uWebSockets: `node uws.js PORT`. A message goes to everybody on the same path; nothing is kept.
const uws = require("@trufflesuite/uws-js-unofficial");

const app = uws.App();
app.ws("/*", {
  compression: uws.DISABLED,
  maxBackpressure: 64 * 1024 * 1024,
  upgrade: (response, request, context) =>
    response.upgrade(
      { room: request.getUrl() },
      request.getHeader("sec-websocket-key"),
      request.getHeader("sec-websocket-protocol"),
      request.getHeader("sec-websocket-extensions"),
      context,
    ),
  open: (socket) => socket.subscribe(socket.room || socket.getUserData().room),
  message: (socket, message, isBinary) =>
    app.publish(socket.room || socket.getUserData().room, message, isBinary),
});
app.listen("127.0.0.1", Number(process.argv[2]), (token) => token || process.exit(1));
