/**
 * The log of a table's extractions: what each run asked of a server, with which values, what the server said, and what became of it.
 *
 * Written before the first call, so that a run that is taken up again binds the same values; then whenever there is something to add. The
 * latest is copied to a fixed place.
 */
import { crashPoint } from '../base/crash.ts'
import type { Storage } from '../storage/storage.ts'
import { extractionPath } from './paths.ts'
import { openSealed, sealJson } from './record/sealed-json.ts'

/** One run's extraction of one table. */
export interface ExtractionLog {
  readonly format: 1
  readonly table: string
  readonly run: string
  readonly connection: string
  readonly procedure: string
  readonly status: 'running' | 'committed' | 'unchanged' | 'failed'
  readonly startedAt: string
  readonly finishedAt?: string
  /** The values of each call, as text; frozen before the first. One call, unless the procedure is called once for each row of another table. */
  readonly calls: readonly { readonly [parameter: string]: string | null }[]
  /** The time that was asked for: from (or from the beginning) up to. */
  readonly window?: { readonly from: string | null; readonly to: string }
  /** The window's upper bound as an instant. Where the run made no version, it is how far the table was asked for. */
  readonly watermark?: string
  readonly attempts: readonly ExtractionAttempt[]
  /** The version that it made, or found to be the same. */
  readonly version?: number
}

/** One attempt of an extraction. */
export interface ExtractionAttempt {
  /** Counts from 1. */
  readonly attempt: number
  readonly startedAt: string
  readonly finishedAt?: string
  /** Calls that ended well. */
  readonly calls: number
  /** As the server sent them. */
  readonly rows: number
  /** Of text, as it was received. */
  readonly bytes: number
  readonly messages: readonly ExtractionMessage[]
  /** How many more messages there were. */
  readonly moreMessages?: number
  readonly error?: { readonly name: string; readonly code: string; readonly message: string }
  /** Of the last call that ended well. */
  readonly returnCode?: number
  readonly output?: { readonly [name: string]: string | null }
}

/** What a server said beside rows. */
export interface ExtractionMessage {
  readonly text: string
  /** The server's number or SQLSTATE. */
  readonly code: string
  readonly severity: number
}

/** A procedure may print for every row: so many messages are kept, and so much of each. */
const keptMessages = 100
const keptCharacters = 2000

/** Collects a server's messages, and never more of them than a log holds. */
export interface MessageCollector {
  add(message: ExtractionMessage): void
  /** What was collected so far, as an attempt has it. */
  collected(): Pick<ExtractionAttempt, 'messages' | 'moreMessages'>
}

/**
 * Starts to collect messages.
 *
 * @example const messages = collectMessages(); messages.add({ text: 'done', code: '0', severity: 0 }); messages.collected()
 */
export function collectMessages(): MessageCollector {
  const messages: ExtractionMessage[] = []
  let more = 0
  return {
    add({ text, code, severity }) {
      if (messages.length === keptMessages) more++
      else messages.push({ text: cut(text), code, severity })
    },
    collected: () => ({ messages: [...messages], ...(more === 0 ? {} : { moreMessages: more }) }),
  }
}

/** Writes a run's log durably, in place of what it said before; then the copy of the latest. */
export async function writeExtraction(storage: Storage, log: ExtractionLog): Promise<void> {
  const text = sealJson(log)
  crashPoint('lake.extraction.before_write')
  await storage.write(extractionPath(log.table, log.run), text)
  crashPoint('lake.extraction.after_write')
  const latest = await readCopy(storage, log.table)
  if (latest === undefined || latest.run === log.run || latest.startedAt <= log.startedAt)
    await storage.write(extractionPath(log.table), text)
}

/** @throws Lake.RecordCorrupt, Lake.FormatNewer */
export function readExtraction(storage: Storage, table: string, run: string): Promise<ExtractionLog | undefined> {
  return readLog(storage, extractionPath(table, run))
}

/** The newest log. The copy names it; where that is lost, or a crash left it behind, the newest run's name does. */
export async function latestExtraction(storage: Storage, table: string): Promise<ExtractionLog | undefined> {
  const copy = await readCopy(storage, table)
  const newest = (await listLogs(storage, table)).at(-1)
  const listed = newest === undefined ? undefined : await readLog(storage, newest)
  if (listed === undefined || copy === undefined) return listed ?? copy
  return copy.startedAt > listed.startedAt ? await readExtraction(storage, table, copy.run) : listed
}

/**
 * Kept logs of a table, newest first.
 *
 * @param limit The newest so many. @default all
 */
export async function listExtractions(
  storage: Storage,
  table: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<readonly ExtractionLog[]> {
  const logs: ExtractionLog[] = []
  for (const path of (await listLogs(storage, table)).reverse().slice(0, limit)) {
    const log = await readLog(storage, path)
    if (log !== undefined) logs.push(log)
  }
  return logs.sort((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0))
}

/** By run, which sorts by time to the second. */
async function listLogs(storage: Storage, table: string): Promise<string[]> {
  const latest = extractionPath(table)
  const found = await storage.list(latest.slice(0, latest.lastIndexOf('/')))
  return found.map(({ path }) => path).filter((path) => path !== latest)
}

async function readLog(storage: Storage, path: string): Promise<ExtractionLog | undefined> {
  const bytes = await storage.read(path)
  return bytes === undefined ? undefined : (openSealed(bytes, path) as ExtractionLog)
}

/** The copy; whatever is wrong with it, the logs themselves are what counts. */
async function readCopy(storage: Storage, table: string): Promise<ExtractionLog | undefined> {
  return readLog(storage, extractionPath(table)).catch(() => undefined)
}

function cut(text: string): string {
  return text.length <= keptCharacters ? text : `${text.slice(0, keptCharacters)}…`
}
