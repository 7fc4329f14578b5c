/**
 * One call for several tables: what it returns is kept as objects until each of them has taken its result set.
 *
 * The call is known by its frozen values, and its sets are written down before the first table commits: a task that is tried again, or comes after
 * another one, takes from what is kept and calls nothing. Until then nothing was committed, so that a call may be made again, whole.
 */
import { join } from 'node:path'
import { type Clock, newId } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { Turn } from '../../base/queue.ts'
import type {
  CallEnd,
  CallSink,
  Connection,
  ProcedureCall,
  ResultColumn,
  ServerMessage,
} from '../../connections/connection.ts'
import type { Session } from '../../engines/engine.ts'
import { collectMessages } from '../../lake/extractions.ts'
import { digestFile } from '../../lake/file-digest.ts'
import { openSealed, sealJson } from '../../lake/record/sealed-json.ts'
import { quotePath } from '../../sql/quote.ts'
import type { LocalObject, Storage } from '../../storage/storage.ts'
import { constantsSql, rowNumber, textColumn } from './scan.ts'
import { openStage, type Stage } from './stage.ts'

/** Where the calls of one run are kept for several tables. */
export interface KeptCalls {
  readonly state: Storage
  readonly clock: Clock
  /** Of all runs of these tables. */
  readonly folder: string
  readonly run: string
  /** The result sets that tables of this run take. */
  readonly sets: ReadonlySet<number>
}

/** A result set as it came, each cell as text. */
export interface KeptSet {
  readonly set: number
  readonly columns: readonly ResultColumn[]
  readonly files: readonly { readonly path: string; readonly sha256: string }[]
  readonly rows: number
  /** UTF-16 units of text. */
  readonly units: number
}

/** A call that ended well. */
export interface KeptCall {
  readonly format: 1
  readonly startedAt: string
  readonly sets: readonly KeptSet[]
  readonly end: CallEnd
  readonly messages: readonly ServerMessage[]
}

/** What a call is made with. */
export interface KeepContext {
  readonly session: Session
  readonly inTurn: Turn
  /** An empty local folder. */
  readonly scratch: string
  /** Result sets that nobody asked for here, and that are no mistake. */
  readonly otherSets: ReadonlySet<number>
  readonly signal: AbortSignal
}

const ending = 'call.json'

const pathOf = ({ folder, run }: KeptCalls, { timeoutMs: _, ...call }: ProcedureCall): string =>
  `${folder}/${run}/${digest(call).slice(0, 32)}`

/**
 * What is kept of a call, with the set that is wanted as it was written; undefined where the call is still to be made.
 *
 * @example const kept = (await keptCall(calls, call, 2)) ?? (await keepCall(connection, calls, call, context))
 */
export async function keptCall(calls: KeptCalls, call: ProcedureCall, set: number): Promise<KeptCall | undefined> {
  const path = `${pathOf(calls, call)}/${ending}`
  const bytes = await calls.state.read(path)
  if (bytes === undefined) return undefined
  try {
    const kept = openSealed(bytes, path) as KeptCall
    const own = kept.sets.find((one) => one.set === set)
    for (const file of own?.files ?? []) {
      await using local = await calls.state.materialise(file.path)
      if ((await digestFile(local.file)).sha256 !== file.sha256) return undefined
    }
    return kept
  } catch {
    // Lost or damaged: the call is made again for the table that has not taken its rows.
    return undefined
  }
}

/**
 * Makes a call, and keeps what it returned. What earlier runs kept of these tables goes: they were given up.
 *
 * @throws Source.ResultSet, Connection.*
 */
export async function keepCall(
  connection: Connection,
  calls: KeptCalls,
  call: ProcedureCall,
  context: KeepContext,
): Promise<KeptCall> {
  const { state, clock, folder, run, sets } = calls
  const { session, inTurn, scratch, otherSets, signal } = context
  for (const { path } of await state.list(folder)) if (!path.startsWith(`${folder}/${run}/`)) await state.remove(path)
  const startedAt = clock.now().toISOString()
  const messages = collectMessages()
  const staged = new Map<number, { readonly columns: readonly ResultColumn[]; readonly stage: Stage }>()
  const sink: CallSink = {
    columns(set, columns) {
      if (sets.has(set)) {
        const scanner = {
          scan: (relation: string, _call: string, target: string) =>
            session.write(`SELECT * FROM ${relation}`, { folder: target }),
        }
        const stage = openStage({
          ...{ session, inTurn, scanner, folder: join(scratch, `set-${set}`), call: call.procedure },
          ...{ columns: columns.length, constants: [] },
        })
        staged.set(set, { columns, stage })
        return true
      }
      if (otherSets.has(set)) return false
      throw untaken(call.procedure, set, columns)
    },
    rows: (set, cells, rows) => staged.get(set)?.stage.add(cells, rows),
    message: messages.add,
  }
  try {
    const end = await connection.call(call, sink, signal)
    crashPoint('sources.procedures.before_keep')
    const path = pathOf(calls, call)
    const kept: KeptSet[] = []
    for (const [set, { columns, stage }] of staged) {
      const { files, rows, units } = await stage.finish()
      const written = []
      for (const { file } of files) {
        const { sha256 } = await digestFile(file)
        const { path: adopted } = await state.adopt(file, `${path}/set-${set}-${newId(clock)}.parquet`)
        written.push({ path: adopted, sha256 })
      }
      kept.push({ set, columns, files: written, rows, units })
    }
    const whole: KeptCall = { format: 1, startedAt, sets: kept, end, messages: messages.collected().messages }
    await state.write(`${path}/${ending}`, sealJson(whole))
    crashPoint('sources.procedures.after_keep')
    return whole
  } catch (error) {
    for (const { stage } of staged.values()) await stage.abandon()
    throw error
  }
}

/**
 * A kept set as a relation to scan, for as long as its files are at hand.
 *
 * @example await usingSet(state, set, (files) => scanner.scan(keptSql(files, positions, []), 'dbo.usp_sales', folder))
 */
export async function usingSet<T>(
  state: Storage,
  { files }: KeptSet,
  work: (files: readonly string[]) => Promise<T>,
): Promise<T> {
  const locals: LocalObject[] = []
  try {
    for (const { path } of files) locals.push(await state.materialise(path))
    return await work(locals.map(({ file }) => file))
  } finally {
    for (const local of locals) await local[Symbol.asyncDispose]()
  }
}

/** The texts of declared columns, by their places among those that came. */
export function keptSql(files: readonly string[], positions: readonly number[], constants: readonly string[]): string {
  const texts = positions.map((place, at) => `${textColumn(place)} AS ${textColumn(at)}`)
  const list = files.map(quotePath).join(', ')
  return `(SELECT ${texts.join(', ')}, ${rowNumber}${constantsSql(constants, positions.length)} FROM read_parquet([${list}], hive_partitioning = false))`
}

/** Removes what was kept, once every table has what it takes. */
export async function forgetCalls({ state, folder }: Pick<KeptCalls, 'state' | 'folder'>): Promise<void> {
  for (const { path } of await state.list(folder)) await state.remove(path)
}

/** A set that came and that nobody takes. */
export function untaken(procedure: string, set: number, columns: readonly ResultColumn[]): Error {
  const names = columns.map(({ name }) => name).join(', ')
  return sluiceError('Source.ResultSet', {
    procedure,
    set,
    why: `is taken by no source of this call; its columns: ${names}`,
  })
}
