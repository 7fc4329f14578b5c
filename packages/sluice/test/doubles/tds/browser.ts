/** A SQL Browser for tests: answers CLNT_UCAST_EX (MS-SQLR) with the instances that it is given. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

export interface SqlBrowser extends AsyncDisposable {
  readonly port: number
  /** Datagrams that came. */
  readonly questions: readonly Buffer[]
}

/**
 * Starts one on a free port of the loopback.
 *
 * @param instances ports by name; without a port, an instance takes named pipes only
 * @param silent how many questions it leaves without an answer
 */
export async function startSqlBrowser(
  instances: { readonly [name: string]: number | undefined },
  silent = 0,
): Promise<SqlBrowser> {
  const socket = createSocket('udp4')
  const questions: Buffer[] = []
  socket.on('message', (question, from) => {
    questions.push(question)
    if (questions.length <= silent) return
    const text = Object.entries(instances)
      .map(([name, port]) => {
        const tcp = port === undefined ? '' : `tcp;${port};`
        return `ServerName;ERP;InstanceName;${name};IsClustered;No;Version;16.0.1000.6;${tcp}np;\\\\ERP\\pipe\\${name};;`
      })
      .join('')
    const head = Buffer.from([5, text.length & 255, text.length >> 8])
    socket.send(Buffer.concat([head, Buffer.from(text, 'latin1')]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    questions,
    async [Symbol.asyncDispose]() {
      socket.close()
    },
  }
}
