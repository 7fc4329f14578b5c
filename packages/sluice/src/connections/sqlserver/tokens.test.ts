import { PassThrough, Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Cell, ResultColumn } from '../connection.ts'
import { known } from './self-test.ts'
import { type AnswerSink, TokenStream } from './tokens.ts'

const context = { connection: 'erp', codePage: () => 'CP1252' }

/** Every type in a row and in NULLs, a message, a return code, an output parameter, the last word. */
const answer = Buffer.from(
  [
    `81${Buffer.from([known.length, 0]).toString('hex')}${known.map(([, info]) => `000000000900${info}00`).join('')}`,
    `a90400010002 00d1${known.map(([, , value]) => value).join('')}d2${'ff'.repeat(Math.ceil(known.length / 8))}`,
    'ff1100c10002 00000000000000',
    'ab1400 40420f00 01 0a 0200 68006900 01 6400 00 01000000',
    '7907000000',
    'ac0000 02 40006f00 01 00000000 0000 2604 04 2a000000',
    'fe0000e0000000000000000000',
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
)

interface Heard {
  readonly events: unknown[]
  readonly sink: AnswerSink
  readonly ended: Promise<void>
  readonly end: () => void
}

function listener(rows?: () => Promise<void>): Heard {
  const events: unknown[] = []
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const sink: AnswerSink = {
    columns: (columns: readonly ResultColumn[]) => events.push(['columns', columns.length]) > 0,
    rows(cells: readonly (readonly Cell[])[], count) {
      events.push(['rows', count, cells.map((column) => [...column])])
      return rows?.()
    },
    word: (word, isError) => void events.push(['word', word, isError]),
    done: (count) => void events.push(['done', count]),
    returnCode: (code) => void events.push(['returnCode', code]),
    output: (name, value) => void events.push(['output', name, value]),
    transaction: (isOpen) => void events.push(['transaction', isOpen]),
    lastWord: (failed) => void events.push(['lastWord', failed]),
    failed(error) {
      events.push(['failed', (error as Error).message])
      end()
    },
  }
  return { events, sink, ended, end }
}

async function hear(chunks: readonly Buffer[], rows?: () => Promise<void>): Promise<readonly unknown[]> {
  const heard = listener(rows)
  new TokenStream(Readable.from(chunks), heard.sink, context).once('end', heard.end)
  await heard.ended
  return heard.events
}

const whole = [
  ['columns', known.length],
  ['rows', 2, known.map(([, , , text]) => [text, null])],
  ['done', 2],
  ['word', { number: 1_000_000, class: 10, text: 'hi' }, false],
  ['returnCode', 7],
  ['output', 'o', '42'],
  ['lastWord', false],
]

test('an answer is read the same, wherever packets cut it', async () => {
  expect(await hear([answer])).toEqual(whole)
  for (let at = 1; at < answer.length; at++)
    expect(await hear([answer.subarray(0, at), answer.subarray(at)]), `cut at ${at}`).toEqual(whole)
  expect(await hear([...answer].map((byte) => Buffer.from([byte])))).toEqual(whole)
})

test('nothing follows rows while they are being taken', async () => {
  const log: string[] = []
  const events = await hear([answer.subarray(0, 200), answer.subarray(200)], async () => {
    await delay(20)
    log.push('taken')
  })
  expect(events).toEqual(whole)
  expect(log).toEqual(['taken'])
})

test.each([
  ['an unknown token', '42', 'token 0x42 is not known'],
  ['an unknown type', '8101000000000009003700', 'type 0x37 is not known'],
  ['a row without columns', 'd100', 'a row came before its columns'],
  ['a length that its type does not have', '81010000000000090026030000', 'cannot have the length 3'],
  ['an end in the middle of a token', 'ff1100', 'in the middle of a token'],
  ['a set without columns', '81ffff', 'without columns'],
])('%s is a failure, and nothing more is read', async (_what, hex, why) => {
  expect(await hear([Buffer.from(hex, 'hex')])).toEqual([['failed', expect.stringContaining(why)]])
})

test('a stopped stream tells nothing more', async () => {
  const heard = listener()
  const message = new PassThrough()
  const stream = new TokenStream(message, heard.sink, context)
  message.write(answer.subarray(0, 300))
  await delay(10)
  stream.stop()
  const before = heard.events.length
  message.end(answer.subarray(300))
  await delay(10)
  expect(heard.events).toHaveLength(before)
})

test('a long value costs the same for each of its bytes, however many packets it comes in', async () => {
  const length = 8_000_000
  const column = '810100000000000900a5ffff00'
  const head = Buffer.alloc(12)
  head.writeBigUInt64LE(BigInt(length))
  head.writeUInt32LE(length, 8)
  const value = Buffer.concat([Buffer.from(`${column}d1`, 'hex'), head, Buffer.alloc(length, 1), Buffer.alloc(4)])
  const packets: Buffer[] = []
  for (let at = 0; at < value.length; at += 4_088) packets.push(value.subarray(at, at + 4_088))
  const started = performance.now()
  const events = await hear([...packets, Buffer.from('fe000000000000000000000000', 'hex')])
  expect((events[1] as [string, number, string[][]])[2][0]![0]).toHaveLength(2 * length)
  expect(performance.now() - started).toBeLessThan(3_000)
})
