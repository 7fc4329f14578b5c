/**
 * Calls a procedure by a prepared `CALL` that is made from its checked and quoted name; values are bound.
 *
 * A call that is given up is ended by closing its socket. The server notices when it next writes: a procedure that has not written anything yet
 * runs on until it does, on MariaDB no longer than the call's time.
 */
import { systemClock } from '../../base/clock.ts'
import { sluiceError } from '../../base/errors.ts'
import type { CallEnd, CallSink, Cell, ConnectionSettings, ProcedureCall } from '../connection.ts'
import { bind } from './bind.ts'
import type { Bound, Packet, ResultReader, Wire } from './connect.ts'
import { parametersOf, type RoutineParameter } from './describe.ts'
import { callError } from './errors.ts'
import { checkName, quoteIdentifier, type RoutineName, routineName } from './names.ts'
import { columnOf, type DecodedColumn, readRow } from './types.ts'

const batchRows = 2048

/**
 * Calls, as the contract says.
 *
 * @param prepare what comes first, within the call's time
 * @example await callProcedure(wire, settings, call, sink, signal, async () => undefined)
 */
export async function callProcedure(
  wire: Wire,
  settings: ConnectionSettings,
  call: ProcedureCall,
  sink: CallSink,
  signal: AbortSignal,
  prepare: () => Promise<void>,
): Promise<CallEnd> {
  const name = routineName(call.procedure)
  for (const { name } of [...call.parameters, ...call.output]) checkName(name)
  const reading = new Reading(wire, settings.name, sink)
  const stopped = new AbortController()
  const given = stop(call, reading, signal, stopped.signal)
  try {
    const worked = prepare().then(() => work(wire, settings, call, name, reading, sink))
    return await Promise.race([given, reading.failed, worked])
  } catch (error) {
    wire.destroy()
    throw callError(settings, call.procedure, reading.total, error)
  } finally {
    stopped.abort()
  }
}

/** Rejects when the signal aborts or the time is over. */
async function stop(call: ProcedureCall, reading: Reading, signal: AbortSignal, ended: AbortSignal): Promise<never> {
  const { procedure, timeoutMs } = call
  await systemClock.sleep(timeoutMs, AbortSignal.any([signal, ended]))
  if (ended.aborted) return new Promise<never>(() => undefined)
  throw signal.aborted
    ? sluiceError('Connection.Cancelled', { procedure, rows: reading.total })
    : sluiceError('Connection.Timeout', { procedure, seconds: timeoutMs / 1000, rows: reading.total })
}

async function work(
  wire: Wire,
  settings: ConnectionSettings,
  call: ProcedureCall,
  name: RoutineName,
  reading: Reading,
  sink: CallSink,
): Promise<CallEnd> {
  const known = await parametersOf(wire, settings.name, name)
  const values = known === undefined ? inDeclaredOrder(call) : inCatalogOrder(settings, call, known)
  const quoted = [name.database, name.name].filter((part) => part !== undefined).map(quoteIdentifier)
  const statement = `CALL ${quoted.join('.')}(${values.map(() => '?').join(', ')})`
  const warnings = await wire.execute(statement, values, reading)
  await reading.end()
  if (warnings > 0) for (const message of await wire.warnings()) sink.message(message)
  return { rows: reading.counts, output: pick(call, reading.output) }
}

/** The catalog shows nothing to who may not call: the server's own answer says more than we could. */
function inDeclaredOrder(call: ProcedureCall): readonly Bound[] {
  const out = call.output.filter(({ name }) => call.parameters.every((parameter) => parameter.name !== name))
  return [...call.parameters.map((parameter) => bind(parameter, undefined)), ...out.map(() => null)]
}

const plain = (name: string): string => name.replace(/^@/, '').toLowerCase()

function inCatalogOrder(
  { name: connection }: ConnectionSettings,
  { procedure, parameters, output }: ProcedureCall,
  known: readonly RoutineParameter[],
): readonly Bound[] {
  const fail = (why: string): never => {
    throw sluiceError('Connection.NoProcedure', { connection, procedure, why })
  }
  const names = known.map(({ name, mode }) => `${name} (${mode})`).join(', ') || 'none'
  const find = (name: string) => known.find((parameter) => plain(parameter.name) === plain(name))
  for (const { name } of parameters)
    if ((find(name)?.mode ?? 'OUT') === 'OUT') fail(`"${name}" is no parameter that takes a value; there are ${names}`)
  for (const { name } of output)
    if ((find(name)?.mode ?? 'IN') === 'IN') fail(`"${name}" is no output parameter; there are ${names}`)
  return known.map((target) => {
    const parameter = parameters.find(({ name }) => plain(name) === plain(target.name))
    if (parameter === undefined && target.mode !== 'OUT') fail(`"${target.name}" has no value; there are ${names}`)
    return parameter === undefined ? null : bind(parameter, target)
  })
}

function pick(call: ProcedureCall, values: ReadonlyMap<string, Cell>): CallEnd['output'] {
  return Object.fromEntries(call.output.map(({ name }) => [name, values.get(plain(name)) ?? null]))
}

/** Hands rows on in batches, with the socket paused as long as the sink needs. */
class Reading implements ResultReader {
  /** Rows of all sets. */
  total = 0
  readonly counts: number[] = []
  readonly output = new Map<string, Cell>()
  /** Rejects when a sink's promise does. */
  readonly failed: Promise<never>
  readonly #wire: Wire
  readonly #connection: string
  readonly #sink: CallSink
  #fail: (error: unknown) => void = () => undefined
  #flush: () => void = () => undefined
  #pending: Promise<void> = Promise.resolve()

  constructor(wire: Wire, connection: string, sink: CallSink) {
    this.#wire = wire
    this.#connection = connection
    this.#sink = sink
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => undefined)
  }

  fields(...[fields, output]: Parameters<ResultReader['fields']>): (row: Packet) => void {
    this.#flush()
    const columns = fields.map(columnOf)
    if (output) return (row) => this.#readOutput(row, columns)
    const set = this.counts.push(0)
    const wanted = this.#sink.columns(
      set,
      columns.map(({ decode: _, ...column }) => column),
    )
    const empty = (): Cell[][] => columns.map(() => [])
    let [cells, rows] = [empty(), 0]
    this.#flush = () => {
      if (rows === 0) return
      const handed = this.#sink.rows(set, cells, rows)
      ;[cells, rows] = [empty(), 0]
      if (handed instanceof Promise) this.#wait(handed)
    }
    return (row) => {
      this.total++
      this.counts[set - 1] = (this.counts[set - 1] as number) + 1
      if (!wanted) return
      readRow(row, columns, cells, this.#connection)
      if (++rows === batchRows) this.#flush()
    }
  }

  /** Hands on what is left; resolves when the sink has taken everything. */
  async end(): Promise<void> {
    await this.#pending
    this.#flush()
    await this.#pending
  }

  #readOutput(row: Packet, columns: readonly DecodedColumn[]): void {
    const cells: Cell[][] = columns.map(() => [])
    readRow(row, columns, cells, this.#connection)
    for (const [index, { name }] of columns.entries()) this.output.set(plain(name), cells[index]?.[0] as Cell)
  }

  #wait(handed: Promise<void>): void {
    this.#wire.pause()
    this.#pending = handed.then(
      () => this.#wire.resume(),
      (error) => this.#fail(error),
    )
  }
}
