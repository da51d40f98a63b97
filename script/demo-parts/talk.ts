/**
 * Either end of a connection that stays open. `answer PORT` sends back whatever it gets; `ask PORT ADDRESS` asks ten
 * times a second and writes a line for each answer.
 */
import { connect, createServer } from 'node:net'

const [task, port = '0', address = ''] = process.argv.slice(2)
if (task === 'answer') {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(Number(port), '::', () => console.log('ready'))
} else {
  const socket = connect(Number(port), address)
  socket.on('data', () => console.log('answer'))
  socket.on('error', () => process.exit(1))
  setInterval(() => socket.write('?'), 100)
}
