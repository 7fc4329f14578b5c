/** The server of the volume suite, in a process of its own: half a million rows of ten columns, encoded once and sent again and again. */
import * as script from '../doubles/tds/script.ts'
import { startTdsServer } from '../doubles/tds/server.ts'
import { tokens } from '../doubles/tds/tokens.ts'
import { types as t } from '../doubles/tds/types.ts'

const columns: script.ColumnList = [
  ['id', t.int],
  ['code', t.nvarchar(20)],
  ['name', t.nvarchar(100)],
  ['amount', t.decimal(18, 4)],
  ['price', t.money],
  ['quantity', t.int],
  ['created', t.datetime2(7)],
  ['flag', t.bit],
  ['ratio', t.float],
  ['note', t.nvarchar(50)],
]

const blockRows = 1_000
const wire = columns.map(([name, type]) => ({ name, type }))
const block = Buffer.concat(
  Array.from({ length: blockRows }, (_, i) =>
    tokens.row(wire, [
      String(i),
      `C${i}`,
      `Name of row ${i}`,
      `${i * 97}.1234`,
      `${i}.5000`,
      String(i % 50),
      `2024-01-${String(1 + (i % 28)).padStart(2, '0')} 10:20:${String(i % 60).padStart(2, '0')}.1234567`,
      i % 2 === 0 ? 'true' : 'false',
      String(i / 3),
      i % 7 === 0 ? null : `note ${i % 77}`,
    ]),
  ),
)

let sent = 0
function* rows(count: number) {
  sent = 0
  yield script.columns(columns)
  for (; sent < count; sent += blockRows) yield script.bytes(block)
  yield script.done(count)
}

const server = await startTdsServer({
  procedures: {
    big: (call) => rows(Number(call.parameters[0]?.value)),
    sent: () => script.resultSet([['rows', t.int]], [[String(sent)]]),
  },
})
process.send?.(server.port)
