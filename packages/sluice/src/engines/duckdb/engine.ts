/**
 * DuckDB in this process: one in-memory database a session, spilling to a temp folder, without any extension that needs a download.
 */
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { sep } from 'node:path'
import type { DuckDBConnection, DuckDBInstance, DuckDBValue, Json } from '@duckdb/node-api'
import { assert, isSluiceError, sluiceError } from '../../base/errors.ts'
import type { ColumnStats } from '../../lake/record.ts'
import type { Relation } from '../../lake/relation.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import type { LocalObject, Storage } from '../../storage/storage.ts'
import type { Column, Engine, EngineColumn, Reach, Session, WriteOptions, WrittenFile } from '../engine.ts'
import { type Appender, openAppender } from './append.ts'
import { classifyError } from './classify-error.ts'
import { relationSql } from './relation.ts'
import { spillFolder } from './spill.ts'

/** How an engine is limited. */
export interface DuckDbOptions {
  /** DuckDB's spelling: `1GB`. */
  readonly memoryLimit: string
  /** @default the machine's cores */
  readonly threads?: number
  /** Where its sessions spill, each in a folder of its own. */
  readonly tempDirectory?: string
  /** @default DuckDB's own: 90 % of the free disk */
  readonly tempLimit?: string
  /** Brings an object of the lake to this machine; without it, only relations of local files are read. */
  readonly materialise?: Storage['materialise']
}

/** Rows a row group: DuckDB's default, which Spark and Redshift read well. */
const rowGroupRows = 122_880

/**
 * Makes an engine; nothing is loaded before its first session.
 *
 * @example const session = await duckDbEngine({ memoryLimit: '1GB' }).open()
 */
export function duckDbEngine(options: DuckDbOptions): Engine {
  return {
    name: 'duckdb',
    async open({ signal, attach } = {}) {
      const duckdb = loadDuckDb()
      const config: Record<string, string> = {
        memory_limit: options.memoryLimit,
        threads: String(options.threads ?? availableParallelism()),
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
        ...(options.tempDirectory === undefined ? {} : { temp_directory: spillFolder(options.tempDirectory) }),
        ...(options.tempLimit === undefined ? {} : { max_temp_directory_size: options.tempLimit }),
      }
      let instance: DuckDBInstance | undefined
      try {
        instance = await duckdb.DuckDBInstance.create(':memory:', config)
        const connection = await connect(instance)
        if (attach !== undefined) {
          await connection.run(
            `ATTACH ${quoteText(attach.path)} AS ${quoteIdentifier(attach.name)}${attach.readOnly ? ' (READ_ONLY)' : ''}`,
          )
        }
        return new DuckDbSession(instance, connection, { duckdb, signal, materialise: options.materialise })
      } catch (error) {
        instance?.closeSync()
        throw classifyError(error, attach?.path)
      }
    },
  }
}

/**
 * What was freed is given back at once, and not a second later as DuckDB's allocator does by itself: in that second, large values fill the memory
 * with what nobody holds any more.
 */
const conserving =
  "SET enable_external_file_cache = false; SET allocator_flush_threshold = '16MB'; SET allocator_bulk_deallocation_flush_threshold = '16MB'"

async function connect(instance: DuckDBInstance): Promise<DuckDBConnection> {
  const connection = await instance.connect()
  // Pinned, so that no result depends on the machine's zone or on the order in which threads end.
  await connection.run("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
  return connection
}

/** Required, not imported: importing CommonJS parses all of it a second time for the names it exports, which doubles the cost (0.29 against 0.12 s). */
function loadDuckDb(): typeof import('@duckdb/node-api') {
  const require = createRequire(import.meta.url)
  const duckdb = require('@duckdb/node-api')
  // Its own decoder takes a byte order mark at the beginning of any text for one of a file, and drops it (1.5).
  require('@duckdb/node-api/lib/vectors/dataAccessors.js').textDecoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return duckdb
}

interface SessionParts {
  readonly duckdb: typeof import('@duckdb/node-api')
  readonly signal: AbortSignal | undefined
  readonly materialise: DuckDbOptions['materialise']
}

class DuckDbSession implements Session {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  readonly #parts: SessionParts
  readonly #duckdb: typeof import('@duckdb/node-api')
  readonly #signal: AbortSignal | undefined
  /** Objects of the lake that statements may read, by path: each is brought here once. */
  readonly #objects: Map<string, Promise<LocalObject>>
  readonly #onAbort = (): void => void this.#stop()
  /** The statement that is running: freeing a connection under it would crash the process. */
  #running: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  /** Open while rows are appended: closed, so that their rows are in the tables, before any statement. */
  readonly #appenders: Map<string, Appender>
  #beside: Promise<DuckDbSession> | undefined
  readonly #isOwner: boolean

  constructor(instance: DuckDBInstance, connection: DuckDBConnection, parts: SessionParts, owner?: DuckDbSession) {
    const { duckdb, signal } = parts
    this.#instance = instance
    this.#connection = connection
    this.#parts = parts
    this.#duckdb = duckdb
    this.#signal = signal
    this.#isOwner = owner === undefined
    this.#appenders = owner === undefined ? new Map() : owner.#appenders
    this.#objects = owner === undefined ? new Map() : owner.#objects
    signal?.addEventListener('abort', this.#onAbort)
  }

  async run(sql: string, params: readonly unknown[] = []): Promise<void> {
    await this.#attempt(() => this.#connection.run(sql, params as DuckDBValue[]))
  }

  async all<T = Record<string, unknown>>(sql: string, params: readonly unknown[] = []): Promise<T[]> {
    const reader = await this.#attempt(() => this.#connection.runAndReadAll(sql, params as DuckDBValue[]))
    return reader.getRowObjectsJson() as T[]
  }

  async *stream(sql: string, params: readonly unknown[] = []): AsyncIterable<readonly Record<string, unknown>[]> {
    const result = await this.#attempt(() => this.#connection.stream(sql, params as DuckDBValue[]))
    const batches = result.yieldRowObjectJson() as AsyncIterable<Record<string, Json>[]>
    const iterator = batches[Symbol.asyncIterator]()
    for (;;) {
      const next = await this.#attempt(() => iterator.next())
      if (next.done === true) return
      yield next.value
    }
  }

  from(relation: Relation): Promise<string> {
    return relationSql(relation, async (file) =>
      'localFile' in file ? file.localFile : (await this.#object(file.path)).file,
    )
  }

  #object(path: string): Promise<LocalObject> {
    const known = this.#objects.get(path)
    if (known !== undefined) return known
    const { materialise } = this.#parts
    assert(materialise !== undefined, 'an engine that reads the lake knows its storage')
    const brought = materialise(path)
    this.#objects.set(path, brought)
    return brought
  }

  async describe(sql: string): Promise<readonly EngineColumn[]> {
    const rows = await this.all<{ column_name: string; column_type: string }>(`DESCRIBE ${sql}`)
    return rows.map((row) => ({ name: row.column_name, type: row.column_type }))
  }

  async write(sql: string, options: WriteOptions): Promise<readonly WrittenFile[]> {
    const partitioned = options.partitionBy !== undefined && options.partitionBy.length > 0
    const target = partitioned ? options.folder : `${options.folder}/part-0.parquet`
    const settings = [
      'FORMAT parquet',
      // Level 1 costs 4 % of size against the default and saves 11 % of the CPU of a load.
      'COMPRESSION zstd',
      'COMPRESSION_LEVEL 1',
      `ROW_GROUP_SIZE ${rowGroupRows}`,
      ...(options.rowGroupBytes === undefined ? [] : [`ROW_GROUP_SIZE_BYTES ${options.rowGroupBytes}`]),
      ...(options.dictionary === undefined ? [] : [`DICTIONARY_SIZE_LIMIT ${options.dictionary}`]),
      'RETURN_STATS',
      ...(partitioned
        ? [
            `PARTITION_BY (${options.partitionBy.map(quoteIdentifier).join(', ')})`,
            // A data file holds all of its table's columns: no reader has to know what its folder is called.
            ...(options.partitionsOnly === true ? [] : ['WRITE_PARTITION_COLUMNS']),
            'OVERWRITE_OR_IGNORE',
            // Not numbered: NULL and the text that stands for it in a folder's name share a folder.
            "FILENAME_PATTERN 'part-{uuid}'",
          ]
        : []),
    ]
    if (options.ordered === true) await this.run('SET preserve_insertion_order = true')
    try {
      const copy = `COPY (${sql}) TO ${quoteText(target)} (${settings.join(', ')})`
      // Of several statements, the rows of one would be taken for those of all: a PIVOT without IN is four.
      const { count } = await this.#attempt(() => this.#connection.extractStatements(copy))
      if (count !== 1) throw sluiceError('Sql.SeveralStatements', { what: 'A query that is to be written' })
      const rows = await this.all<CopyStats>(copy)
      if (!partitioned && rows.length === 0)
        throw sluiceError('Engine.NothingWritten', { detail: 'no file was reported, not even an empty one' })
      return rows.map(writtenFile)
    } finally {
      if (options.ordered === true) await this.run('SET preserve_insertion_order = false')
    }
  }

  append(table: string, columns: readonly Column[], rows: number): void {
    this.#signal?.throwIfAborted()
    try {
      let appender = this.#appenders.get(table)
      if (appender === undefined) {
        appender = openAppender(this.#duckdb, this.#connection, table)
        this.#appenders.set(table, appender)
      }
      appender.append(columns, rows)
    } catch (error) {
      if (isSluiceError(error)) throw error
      this.#discardAppender(table)
      throw classifyError(error)
    }
  }

  /** Nobody sees its rows any more; one that outlived its database would crash the process. */
  #discardAppender(table: string): void {
    try {
      this.#appenders.get(table)?.discard()
    } catch {
      // It has said what is wrong when it failed.
    }
    this.#appenders.delete(table)
  }

  #closeAppenders(): void {
    for (const [table, appender] of this.#appenders) {
      this.#appenders.delete(table)
      appender.close()
    }
  }

  capture(name: string, take: (mask: bigint, fields: readonly (string | null)[]) => void): void {
    const { DuckDBScalarFunction, BOOLEAN, UBIGINT, VARCHAR, LIST } = this.#duckdb
    this.#connection.registerScalarFunction(
      DuckDBScalarFunction.create({
        name,
        returnType: BOOLEAN,
        parameterTypes: [UBIGINT, LIST(VARCHAR)],
        volatile: true,
        mainFunction: (_info, chunk, out) => {
          const masks = chunk.getColumnVector(0)
          const fields = chunk.getColumnVector(1)
          for (let row = 0; row < chunk.rowCount; row++) {
            const list = fields.getItem(row) as { items: readonly (string | null)[] }
            take(masks.getItem(row) as bigint, list.items)
            out.setItem(row, false)
          }
          out.flush()
        },
      }),
    )
  }

  beside(): Promise<Session> {
    this.#beside ??= connect(this.#instance).then(
      (connection) => new DuckDbSession(this.#instance, connection, this.#parts, this),
    )
    return this.#beside
  }

  async conserve({ threads }: { readonly threads?: number } = {}): Promise<void> {
    await this.run(conserving)
    // Another thread would spin beside the one that writes in order.
    if (threads !== undefined) await this.run(`SET threads = ${threads}`)
  }

  async confine({ objects, folders }: Reach): Promise<void> {
    const files = await Promise.all(objects.map(async (path) => (await this.#object(path)).file))
    const list = (paths: readonly string[]): string => `[${paths.map(quoteText).join(', ')}]`
    await this.run(`SET allowed_paths = ${list(files)}`)
    await this.run(
      `SET allowed_directories = ${list(folders.map((folder) => (folder.endsWith(sep) ? folder : folder + sep)))}`,
    )
    // The last: from here on none of the three can be changed.
    await this.run('SET enable_external_access = false')
  }

  interrupt(): void {
    this.#connection.interrupt()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    await this.#stop()
    await (await this.#beside)?.close()
    if (this.#isOwner) for (const table of this.#appenders.keys()) this.#discardAppender(table)
    this.#connection.closeSync()
    if (!this.#isOwner) return
    this.#instance.closeSync()
    for (const object of await Promise.allSettled(this.#objects.values()))
      if (object.status === 'fulfilled') await object.value[Symbol.asyncDispose]()
  }

  /** Again and again: a statement that waits for a thread yet has not heard the first time. */
  async #stop(): Promise<void> {
    this.interrupt()
    const again = setInterval(() => this.interrupt(), 20)
    await this.#running.catch(() => {})
    clearInterval(again)
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    this.#signal?.throwIfAborted()
    try {
      this.#closeAppenders()
      const running = work()
      this.#running = running
      return await running
    } catch (error) {
      this.#signal?.throwIfAborted()
      throw classifyError(error)
    }
  }
}

interface CopyStats {
  readonly filename: string
  readonly count: string
  readonly file_size_bytes: string
  readonly column_statistics: readonly { key: string; value: readonly { key: string; value: string }[] }[]
  readonly partition_keys: readonly { key: string; value: string }[] | null
}

/** A text longer than this says little, and records name it again and again. */
const longestStatistic = 64

function writtenFile(row: CopyStats): WrittenFile {
  const stats = row.column_statistics.flatMap(({ key, value }) => {
    const name = columnName(key)
    return name === undefined
      ? []
      : [[name, columnStats(new Map(value.map((entry) => [entry.key, entry.value])))] as const]
  })
  return {
    file: row.filename,
    rows: Number(row.count),
    bytes: Number(row.file_size_bytes),
    ...(row.partition_keys === null || row.partition_keys.length === 0
      ? {}
      : { partition: Object.fromEntries(row.partition_keys.map(({ key, value }) => [key, value])) }),
    stats: Object.fromEntries(stats),
  }
}

/** DuckDB names what statistics are of by a quoted path; undefined for a part of a nested column. */
function columnName(path: string): string | undefined {
  const quoted = /^"((?:[^"]|"")*)"$/.exec(path)?.[1]
  if (quoted !== undefined) return quoted.replaceAll('""', '"')
  return path.startsWith('"') ? undefined : path
}

function columnStats(of: ReadonlyMap<string, string>): ColumnStats {
  const short = (text: string | undefined): string | undefined =>
    text !== undefined && text.length <= longestStatistic ? text : undefined
  const [min, max] = [short(of.get('min')), short(of.get('max'))]
  const [values, bytes] = [of.get('num_values'), of.get('column_size_bytes')]
  return {
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    nulls: Number(of.get('null_count') ?? 0),
    ...(values === undefined ? {} : { values: Number(values) }),
    // That there are some is said, and not how many.
    ...(of.get('has_nan') === 'false' ? { nans: 0 } : {}),
    ...(bytes === undefined ? {} : { bytes: Number(bytes) }),
  }
}
