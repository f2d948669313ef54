// Connects socket.io-client to the address given, and prints the first event of each name given, as one JSON line.
import { createRequire } from "node:module";
const { io } = createRequire(`${process.argv[2]}/package.json`)("socket.io-client");
const [address, ...names] = process.argv.slice(3);
const socket = io(address, { reconnection: false });
const found = {};
socket.on("connect", () => console.log("connected"));
socket.on("connect_error", (error) => { console.error(error.message); process.exit(1); });
for (const name of names) {
  socket.on(name, (data) => {
    found[name] ??= data;
    if (Object.keys(found).length === names.length) {
      console.log(JSON.stringify(found));
      socket.close();
    }
  });
}
