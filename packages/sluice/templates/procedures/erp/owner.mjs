/** Plays what happens in a system: executes SQL as its owner, while both are up.  node erp/owner.mjs vega "UPDATE …" */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownerClient } from './server.mjs'

const [system, sql] = process.argv.slice(2)
const [, port] = /^ERP_PORT=(\d+)$/m.exec(readFileSync(join(import.meta.dirname, '..', '.env.local'), 'utf8'))
const client = ownerClient(system, Number(port))
await client.connect()
for (const { command, rowCount } of [await client.query(sql)].flat()) console.log(command, rowCount ?? '')
await client.end()
