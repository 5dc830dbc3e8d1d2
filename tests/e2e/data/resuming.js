// A client written against the documentation alone: follows a room with any WebSocket class, comes
// back after every close as the close code asks, and in the end tells what it applied.

function follow(WebSocketClass, url, token, roomId, lastContent, joined) {
  return new Promise((resolve, reject) => {
    const story = { seqs: [], contents: [], closes: [], joins: [] };
    let since, epoch;

    function come() {
      const socket = new WebSocketClass(url, "roomhub.v1.json");
      socket.onopen = () => socket.send(JSON.stringify({ type: "auth", token }));
      socket.onmessage = ({ data }) => hear(socket, JSON.parse(data));
      socket.onerror = () => {}; // a close follows
      socket.onclose = ({ code, reason }) => {
        story.closes.push({ code, reason });
        if ([1000, 4401, 4403, 4410].includes(code)) return reject(new Error(`closed ${code} ${reason}`));
        const most = code === 1012 ? JSON.parse(reason).retry_s : 0.5;
        setTimeout(come, Math.random() * most * 1000);
      };
    }

    function hear(socket, frame) {
      if (frame.type === "hello") {
        socket.send(JSON.stringify({ id: 1, type: "subscribe", room_id: roomId, since, epoch }));
      } else if (frame.type === "reply") {
        if (!frame.ok) return reject(new Error(JSON.stringify(frame.error)));
        story.joins.push({ recovered: frame.data.recovered, since: since ?? null });
        since ??= frame.data.head;
        epoch = frame.data.epoch;
        joined();
      } else if (frame.seq !== undefined && frame.room_id === roomId) {
        since = frame.seq;
        story.seqs.push(frame.seq);
        story.contents.push(frame.data.content);
        if (frame.data.content === lastContent) {
          socket.onclose = () => resolve(story);
          socket.close(1000);
        }
      }
    }

    come();
  });
}
