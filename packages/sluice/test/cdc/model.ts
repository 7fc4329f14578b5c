/**
 * A database as a model: what a server would hold after each commit, and the bytes it would send.
 *
 * Histories are small on purpose: few tables, few keys, so that everything happens to the same rows.
 */
import fc from 'fast-check'
import { type EncodedRelation, type EncodedValue, encode, unchanged } from './pgoutput-encoder.ts'

/** A row's values by column. */
export type Row = { readonly [column: string]: string | null }

/** Rows by table, then by the JSON of their key. */
export type State = ReadonlyMap<string, ReadonlyMap<string, Row>>

/** A table of the model: a key of one or two columns, a value, and a large value that is not sent when it is unchanged. */
export interface ModelTable {
  readonly relation: EncodedRelation
  readonly table: string
  readonly key: readonly string[]
}

/** One thing that a transaction does. Numbers are reduced to what there is. */
export interface Step {
  readonly kind:
    | 'insert'
    | 'update'
    | 'delete'
    | 'move'
    | 'swap'
    | 'chain'
    | 'reinsert'
    | 'truncate'
    | 'savepoint'
    | 'rollbackTo'
    | 'release'
  readonly table: number
  readonly key: number
  readonly other: number
  readonly value: string | null
  readonly touchesLarge: boolean
}

/** One transaction. */
export interface ModelTransaction {
  readonly ends: 'commit' | 'rollback'
  /** Sent in pieces before it ends, this many transactions early. */
  readonly streamed: number | undefined
  /** How far the server's clock has moved since the one before, in microseconds: at times back. */
  readonly clock: number
  readonly steps: readonly Step[]
}

/** What happened on a server. */
export interface History {
  readonly tables: readonly {
    /** Its key has two columns. */
    readonly wide: boolean
    /** The server sends all that it knew of a row. */
    readonly full: boolean
    /** It has no primary key, so that rows of a full one are named by all that they have. */
    readonly keyless: boolean
  }[]
  readonly transactions: readonly ModelTransaction[]
}

const keys = 4
const large = (seed: number): string => `${seed}:`.padEnd(2100, 'toast')

/** The large value that a step inserts: mostly one. */
export const insertedLarge = ({ touchesLarge, other }: Step): string | null =>
  touchesLarge || other > 1 ? large(other) : null

/** The large value that a step writes; undefined where it leaves it as it is, which is what hurts. */
export const updatedLarge = ({ touchesLarge, other }: Step): string | null | undefined =>
  !touchesLarge || other === 3 ? undefined : other === 0 ? null : large(other)

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('insert' as const) },
    { weight: 5, arbitrary: fc.constant('update' as const) },
    { weight: 5, arbitrary: fc.constantFrom('move' as const, 'swap' as const, 'chain' as const) },
    { weight: 3, arbitrary: fc.constantFrom('delete' as const, 'reinsert' as const) },
    { weight: 3, arbitrary: fc.constantFrom('savepoint' as const, 'rollbackTo' as const, 'release' as const) },
    { weight: 1, arbitrary: fc.constant('truncate' as const) },
  ),
  table: fc.nat(4),
  key: fc.nat(keys - 1),
  other: fc.nat(keys - 1),
  value: fc.option(fc.constantFrom('', 'a', 'b', 'é"\\\n😀')),
  touchesLarge: fc.boolean(),
})

/** Random histories, with up to 40 transactions. */
export const history: fc.Arbitrary<History> = fc.record({
  tables: fc.array(fc.record({ wide: fc.boolean(), full: fc.nat(2).map((one) => one === 0), keyless: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  }),
  transactions: fc.array(
    fc.record({
      ends: fc.oneof(
        { weight: 5, arbitrary: fc.constant('commit' as const) },
        { weight: 1, arbitrary: fc.constant('rollback' as const) },
      ),
      streamed: fc.option(fc.nat(3), { freq: 2, nil: undefined }),
      clock: fc.integer({ min: -3, max: 20 }),
      steps: fc.array(step, { maxLength: 8, size: 'max' }),
    }),
    // Without a size there would hardly be more than ten.
    { maxLength: 40, size: 'max' },
  ),
})

/** A change that was made, as it will be sent. */
interface Sent {
  readonly subXid: number
  readonly encode: (xid: number | undefined) => Buffer
  readonly relations: readonly ModelTable[]
}

/** A transaction that was done. */
export interface Done {
  readonly xid: number
  readonly commits: boolean
  readonly finalLsn: bigint
  /** Where its commit ends. */
  readonly endLsn: bigint
  readonly committedAt: bigint
  readonly streamed: number | undefined
  readonly sent: readonly Sent[]
  /** Savepoints that were taken back, with how many changes had been made by then. */
  readonly aborted: readonly { readonly subXid: number; readonly after: number }[]
  /** All rows after it. */
  readonly state: State
}

/** A server after its history. */
export interface ModelServer {
  readonly tables: readonly ModelTable[]
  /** In the order of their ends; only those that commit move the state. */
  readonly transactions: readonly Done[]
  /** Columns that name rows, by table: what the catalog would say. */
  readonly keys: ReadonlyMap<string, readonly string[]>
  /** The messages of a new connection that starts at a position: whole transactions that commit after it, and pieces of others. */
  connect(from: bigint): readonly Buffer[]
}

/** Runs a history. */
export function runHistory({ tables: shapes, transactions }: History): ModelServer {
  const tables = shapes.map(modelTable)
  const done: Done[] = []
  let state: State = new Map(tables.map(({ table }) => [table, new Map()]))
  let lsn = 0x1_0000_0000n
  let xid = 700
  let committedAt = 1_700_000_000_000_000n
  for (const transaction of transactions) {
    const run = runTransaction(transaction, tables, state, xid)
    const commits = transaction.ends === 'commit'
    if (commits) state = run.state
    const finalLsn = lsn + BigInt(run.sent.length * 64) + 24n
    lsn = finalLsn + 48n
    committedAt += BigInt(transaction.clock)
    done.push({
      xid,
      commits,
      finalLsn,
      endLsn: lsn,
      committedAt,
      streamed: transaction.streamed,
      sent: run.sent,
      aborted: run.aborted,
      state,
    })
    xid = run.nextXid
  }
  return {
    tables,
    transactions: done,
    keys: new Map(tables.flatMap(({ table, key }, place) => (isKeyless(shapes[place]!) ? [] : [[table, key]]))),
    connect: (from) => messages(done, from),
  }
}

/** A table is without a key where all of a row is sent. */
const isKeyless = ({ full, keyless }: History['tables'][number]): boolean => full && keyless

function modelTable({ wide, full }: History['tables'][number], place: number): ModelTable {
  const key = wide ? ['id', 'part'] : ['id']
  const columns = ['id', ...(wide ? ['part'] : []), 'value', 'large'].map((name) => ({
    name,
    typeOid: 25,
    isKey: full || key.includes(name),
  }))
  const name = `t${place}`
  const relation = { id: 16_384 + place, schema: 'public', name, replicaIdentity: full ? 'f' : 'd', columns } as const
  return { relation, table: `public.${name}`, key }
}

interface Work {
  readonly rows: Map<string, Map<string, Row>>
  readonly sent: Sent[]
  subXid: number
}

function runTransaction(transaction: ModelTransaction, tables: readonly ModelTable[], before: State, xid: number) {
  const work: Work = { rows: copy(before), sent: [], subXid: xid }
  const aborted: { subXid: number; after: number }[] = []
  const savepoints: { rows: Map<string, Map<string, Row>>; outer: number; inside: number[] }[] = []
  let nextXid = xid + 1
  for (const one of transaction.steps) {
    if (one.kind === 'savepoint') {
      savepoints.push({ rows: copy(work.rows), outer: work.subXid, inside: [nextXid] })
      work.subXid = nextXid++
    } else if (one.kind === 'rollbackTo' || one.kind === 'release') {
      const savepoint = savepoints.pop()
      if (savepoint === undefined) continue
      work.subXid = savepoint.outer
      if (one.kind === 'release') savepoints.at(-1)?.inside.push(...savepoint.inside)
      else {
        work.rows.clear()
        for (const [table, rows] of savepoint.rows) work.rows.set(table, rows)
        for (const subXid of savepoint.inside) aborted.push({ subXid, after: work.sent.length })
      }
    } else runStep(one, tables[one.table % tables.length]!, tables, work)
  }
  return { state: work.rows as State, sent: work.sent, aborted, nextXid }
}

function runStep(step: Step, table: ModelTable, tables: readonly ModelTable[], work: Work): void {
  const rows = work.rows.get(table.table)!
  const [key, other] = [keyOf(table, step.key), keyOf(table, step.other)]
  switch (step.kind) {
    case 'insert':
    case 'reinsert':
      if (step.kind === 'reinsert' && rows.has(keyText(table, key))) remove(table, key, work)
      if (!rows.has(keyText(table, key))) insert(table, { ...key, value: step.value, large: insertedLarge(step) }, work)
      return
    case 'update': {
      const changed = updatedLarge(step)
      update(table, key, { value: step.value, ...(changed === undefined ? {} : { large: changed }) }, work)
      return
    }
    case 'delete':
      remove(table, key, work)
      return
    case 'move':
      if (!rows.has(keyText(table, other)))
        update(table, key, { ...other, ...(step.touchesLarge ? { value: step.value } : {}) }, work)
      return
    case 'swap': {
      if (step.key === step.other || !rows.has(keyText(table, key)) || !rows.has(keyText(table, other))) return
      const aside = keyOf(table, keys)
      update(table, key, aside, work)
      update(table, other, key, work)
      update(table, aside, other, work)
      return
    }
    case 'chain': {
      // Each takes the key of the next, the last of them goes, and a new row takes the first one's.
      const next = [1, 2].map((by) => keyOf(table, (step.key + by) % keys)) as [Row, Row]
      remove(table, next[1], work)
      update(table, next[0], next[1], work)
      update(table, key, next[0], work)
      if (step.touchesLarge && !rows.has(keyText(table, key)))
        insert(table, { ...key, value: step.value, large: insertedLarge(step) }, work)
      return
    }
    default: {
      const both = [table, ...(step.touchesLarge ? [tables[step.other % tables.length]!] : [])]
      const truncated = [...new Set(both)]
      for (const one of truncated) work.rows.get(one.table)!.clear()
      const ids = truncated.map(({ relation }) => relation.id)
      send(work, truncated, (xid) => encode.truncate(ids, step.touchesLarge ? 1 : 0, xid))
    }
  }
}

function insert(table: ModelTable, row: Row, work: Work): void {
  work.rows.get(table.table)!.set(keyText(table, row), row)
  send(work, [table], (xid) => encode.insert(table.relation.id, values(table, row), xid))
}

function update(table: ModelTable, key: Row, changes: Row, work: Work): void {
  const rows = work.rows.get(table.table)!
  const old = rows.get(keyText(table, key))
  if (old === undefined) return
  const row = { ...old, ...changes }
  rows.delete(keyText(table, old))
  rows.set(keyText(table, row), row)
  const sent = values(table, row).map((value, place) =>
    table.relation.columns[place]!.name === 'large' && value !== null && old['large'] === value ? unchanged : value,
  )
  const moved = keyText(table, old) !== keyText(table, row)
  const full = table.relation.replicaIdentity === 'f'
  const before = full
    ? ({ kind: 'O', values: values(table, old) } as const)
    : moved
      ? ({ kind: 'K', values: keyValues(table, old) } as const)
      : undefined
  send(work, [table], (xid) => encode.update(table.relation.id, sent, before, xid))
}

function remove(table: ModelTable, key: Row, work: Work): void {
  const rows = work.rows.get(table.table)!
  const old = rows.get(keyText(table, key))
  if (old === undefined) return
  rows.delete(keyText(table, old))
  const full = table.relation.replicaIdentity === 'f'
  send(work, [table], (xid) =>
    encode.delete(table.relation.id, full ? 'O' : 'K', full ? values(table, old) : keyValues(table, old), xid),
  )
}

function send(work: Work, relations: readonly ModelTable[], encoder: Sent['encode']): void {
  work.sent.push({ subXid: work.subXid, encode: encoder, relations })
}

/** A composite key shares one column among many rows. */
function keyOf({ key }: ModelTable, number: number): Row {
  return key.length === 1 ? { id: `${number}` } : { id: `${number >> 1}`, part: `${number & 1}` }
}

/** A row's key, spelled as the decoder spells it. */
export function keyText({ key }: Pick<ModelTable, 'key'>, row: Row): string {
  return JSON.stringify(Object.fromEntries(key.map((name) => [name, row[name]])))
}

function values({ relation }: ModelTable, row: Row): EncodedValue[] {
  return relation.columns.map(({ name }) => row[name] ?? null)
}

function keyValues({ relation, key }: ModelTable, row: Row): EncodedValue[] {
  return relation.columns.map(({ name }) => (key.includes(name) ? (row[name] ?? null) : null))
}

function copy(state: State): Map<string, Map<string, Row>> {
  return new Map([...state].map(([table, rows]) => [table, new Map(rows)]))
}

/** What a new connection is sent. The server knows which tables it has described to it, and describes each before its first change. */
function messages(done: readonly Done[], from: bigint): readonly Buffer[] {
  const out: Buffer[] = []
  const described = new Set<number>()
  /** Places of streamed transactions, by the place before which their first piece is sent. */
  const early = new Map<number, number[]>()
  const wanted = (one: Done): boolean => one.finalLsn >= from
  for (const [place, one] of done.entries())
    if (one.streamed !== undefined && wanted(one) && one.sent.length > 0) {
      const at = Math.max(0, place - one.streamed)
      early.set(at, [...(early.get(at) ?? []), place])
    }
  const streams = new Map<number, ReturnType<typeof streamOf>>()
  for (const [place, one] of done.entries()) {
    for (const other of early.get(place) ?? []) {
      const stream = streamOf(done[other]!, described)
      streams.set(other, stream)
      out.push(...stream.piece(Math.ceil(done[other]!.sent.length / 2)))
    }
    const stream = streams.get(place)
    if (stream !== undefined) out.push(...stream.piece(one.sent.length), ...stream.end())
    else if (wanted(one) && one.commits) out.push(...plain(one, described))
  }
  return out
}

function plain(one: Done, described: Set<number>): Buffer[] {
  const takenBack = (sent: Sent, place: number): boolean =>
    one.aborted.some(({ subXid, after }) => subXid === sent.subXid && place < after)
  const kept = one.sent.filter((sent, place) => !takenBack(sent, place))
  return [
    encode.begin(one.finalLsn, one.committedAt, one.xid),
    ...kept.flatMap((sent) => [...describe(sent, described, undefined), sent.encode(undefined)]),
    encode.commit(one.finalLsn, one.endLsn, one.committedAt),
  ]
}

function describe(sent: Sent, described: Set<number>, xid: number | undefined): Buffer[] {
  return sent.relations
    .filter(({ relation }) => !described.has(relation.id))
    .map(({ relation }) => {
      described.add(relation.id)
      return encode.relation(relation, xid)
    })
}

/** A transaction in pieces. What its tables are is told in it, and holds for others once it has committed. */
function streamOf(one: Done, described: Set<number>) {
  const own = new Set<number>()
  let at = 0
  let first = true
  const abort = (subXid: number): Buffer => encode.streamAbort(one.xid, subXid)
  return {
    piece(to: number): Buffer[] {
      const out: Buffer[] = []
      let inside = false
      const enter = (): void => {
        if (!inside) out.push(encode.streamStart(one.xid, first))
        first = false
        inside = true
      }
      const leave = (): void => {
        if (inside) out.push(encode.streamStop())
        inside = false
      }
      for (; at <= to; at++) {
        // Told outside of a stream; once, before the next change.
        for (const { subXid } of one.aborted.filter(
          ({ after }) => after === at && (at < to || to === one.sent.length),
        )) {
          leave()
          if (!first) out.push(abort(subXid))
        }
        if (at === to) break
        enter()
        const sent = one.sent[at]!
        out.push(...describe(sent, own, sent.subXid), sent.encode(sent.subXid))
      }
      leave()
      return out
    },
    end(): Buffer[] {
      if (!one.commits) return [abort(one.xid)]
      for (const id of own) described.add(id)
      return [encode.streamCommit(one.xid, one.finalLsn, one.endLsn, one.committedAt)]
    },
  }
}
