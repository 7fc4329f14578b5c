/** Opens a project: the only place that wires implementations to contracts. */
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { type Clock, systemClock } from '../base/clock.ts'
import { type Problem, sluiceError } from '../base/errors.ts'
import { inOrder } from '../definition/problems/in-order.ts'
import { stateBelow, stateFolder } from '../definition/state.ts'
import type { FilesSource, Project } from '../definition/types.ts'
import type { DuckDbOptions } from '../engines/duckdb/engine.ts'
import type { Engine } from '../engines/engine.ts'
import { type Lake, openLake } from '../lake/lake.ts'
import type { CommitRecord, KnownInput } from '../lake/record.ts'
import { type FilesContext, filesSource } from '../sources/files/source.ts'
import type { FileOperations } from '../storage/disk/file-operations.ts'
import { diskStorage } from '../storage/disk/storage.ts'
import { type OpenProject, type ReadContext, readContext } from './api.ts'
import type { Connections, ConnectionsContext, ConnectorOf } from './connections/connections.ts'
import type { ProjectContext } from './context.ts'
import { type Definition, loadDefinition } from './definition/cache.ts'
import type { Command } from './execution/command-plan.ts'
import { taskShare } from './execution/task-share.ts'
import { openHashCache } from './hash-cache.ts'
import { projectInbox } from './inbox.ts'
import type { IntactTables } from './intact.ts'
import { leaseHolder } from './ledger/lease.ts'
import { cancelRun, listRuns, type RunStart, readRun } from './ledger/ledger.ts'
import { readEvents } from './ledger/run-events.ts'
import { openPlaces } from './places.ts'
import { projectWarehouse } from './warehouse.ts'

/** What may be handed in from outside, mostly by tests. */
export interface OpenOptions {
  readonly clock?: Clock
  /** Writes a line for people; only console notifications use it. */
  readonly print?: (line: string) => void
  /** The file operations under the project's state and lake. */
  readonly operations?: FileOperations
  /** The one of the configuration's environments to work in. @default none: the configuration as it stands */
  readonly environment?: string
  /** Finds the adapter of a kind of server, in place of those that Sluice knows. */
  readonly connectorOf?: ConnectorOf
  /** Takes what is wrong with something that is kept, and that a command can do without. @default a warning of the process */
  readonly warn?: (message: string) => void
  /**
   * A definition with problems: refused, or opened with what of it can be read, to look at what is committed. Nothing can then be planned or run.
   * @default 'refuse'
   */
  readonly problems?: 'refuse' | 'read'
}

/**
 * Opens the project in a folder.
 *
 * @example
 * await using project = await openProject('my-pipeline')
 * const { summary } = await project.run()
 *
 * @throws Definition.Invalid with every problem, where the definition cannot be read; Definition.UnknownEnvironment, Definition.TargetUnavailable
 */
export async function openProject(root: string, options: OpenOptions = {}): Promise<OpenProject> {
  const absolute = resolve(root)
  const cache = diskStorage(join(absolute, stateFolder), options.operations)
  const loaded = await loadDefinition(absolute, cache, options.environment)
  const errors = loaded.problems.filter(({ severity }) => severity === 'error')
  const project = options.problems === 'read' ? loaded.readable : errors.length > 0 ? undefined : loaded.project
  if (project === undefined)
    throw sluiceError('Definition.Invalid', { count: errors.length }, { problems: loaded.problems })
  const { environment } = project.config
  if (environment !== undefined && environment.target !== 'local')
    throw sluiceError('Definition.TargetUnavailable', { environment: environment.name, target: environment.target })
  const context = await wire(absolute, { ...loaded, project }, options)
  return projectOver(context, loaded.problems)
}

/** Each message once. */
function once(warn: (message: string) => void): (message: string) => void {
  const said = new Set<string>()
  return (message) => {
    if (said.size < said.add(message).size) warn(message)
  }
}

/** What is opened, and closed again. */
interface OpenedContext extends ProjectContext {
  /** It is opened for a part of the work: what it does not look at is not gone. */
  readonly isPart: () => void
  readonly stateName: string
  readonly close: () => Promise<void>
}

/** Puts implementations behind the contracts that the configuration names. */
async function wire(
  root: string,
  { project, problems: _, readable: __, ...reading }: Definition & { readonly project: Project },
  options: OpenOptions,
): Promise<OpenedContext> {
  const clock = options.clock ?? systemClock
  const { config } = project
  const below = stateBelow(config)
  const places = await openPlaces(root, config, options.operations)
  const { storage, state, stateName, cache, workspace } = places
  const inbox = projectInbox(root, config, places.buckets)
  const warn = once(options.warn ?? ((message) => process.emitWarning(message, 'Sluice')))
  const lake: Lake = openLake(storage, clock, {
    address: places.address,
    lagging: (table, why) =>
      warn(`Other engines do not see the newest version of ${table} as an Iceberg table: ${why}.`),
  })
  const hashes = await openHashCache(cache)
  const engine = lazyEngine({
    ...taskShare(config.engine, config.concurrency, availableParallelism()),
    tempDirectory: resolve(root, config.engine.tempDirectory ?? join(below, 'tmp')),
    ...(config.engine.tempLimit === undefined ? {} : { tempLimit: config.engine.tempLimit }),
    materialise: storage.materialise,
  })
  let connections: Promise<Connections> | undefined
  const openConnections = (): Promise<Connections> => {
    connections ??= connectionsOf({
      root,
      project,
      state,
      clock,
      ...(options.connectorOf === undefined ? {} : { connectorOf: options.connectorOf }),
    })
    return connections
  }
  return {
    root,
    project,
    reading,
    clock,
    state,
    stateName,
    cache,
    storage,
    inbox,
    workspace,
    lake,
    engine,
    openSource: async (table, source) => {
      if (source.kind === 'files')
        return filesSource(table, source, {
          inbox,
          clock,
          hashCache: hashes,
          ...(await deliveredBefore(lake, table, source)),
        })
      if (source.kind === 'cdc')
        return (await import('./cdc/open.ts')).openChanges(table, source, { root, project, clock, lake, state })
      const { openProcedure } = await import('./connections/connections.ts')
      return openProcedure(table, source, { project, clock, state, lake, connections: await openConnections() })
    },
    connections: openConnections,
    ...projectWarehouse({ root, stateFolder: join(root, below), project, engine, clock, state }),
    print: options.print ?? (() => {}),
    warn,
    isPart: () => hashes.keepAll(),
    async close() {
      await (await connections)?.[Symbol.asyncDispose]()
      await hashes.save()
      await places[Symbol.asyncDispose]()
    },
  }
}

/** The engine, loaded with its first session. */
function lazyEngine(options: DuckDbOptions): Engine {
  let loaded: Promise<Engine> | undefined
  const load = async (): Promise<Engine> => (await import('../engines/duckdb/engine.ts')).duckDbEngine(options)
  return {
    name: 'duckdb',
    async open(session) {
      loaded ??= load()
      return (await loaded).open(session)
    },
  }
}

// A command pays for what it uses: everything but the wiring is imported when it is asked for. These stand apart, because the compiler leaves
// the ending of an import as it is where it is inside a block with `await using`.
const connectionsOf = async (context: ConnectionsContext): Promise<Connections> =>
  (await import('./connections/connections.ts')).projectConnections(context)
const execution = (): Promise<typeof import('./execution/execute.ts')> => import('./execution/execute.ts')
const maintenance = (): Promise<typeof import('./maintenance/maintenance.ts')> => import('./maintenance/maintenance.ts')
const planning = (): Promise<typeof import('./planning/planning.ts')> => import('./planning/planning.ts')
const secrets = (): Promise<typeof import('./definition/secrets.ts')> => import('./definition/secrets.ts')

function projectOver(context: OpenedContext, loadProblems: readonly Problem[]): OpenProject {
  const { state, lake, project, root } = context
  const errors = loadProblems.filter(({ severity }) => severity === 'error')
  /** What changes or foresees tables needs the whole definition. */
  const whole = (): void => {
    if (errors.length > 0) throw sluiceError('Definition.Invalid', { count: errors.length }, { problems: loadProblems })
  }
  const reading = readingOf(context, loadProblems)
  /** The version that a command has made. */
  const made = async (command: Command): Promise<CommitRecord> => {
    const { version } = await (await execution()).executeCommand(context, command)
    return (await lake.record(command.table, version as number)) as CommitRecord
  }
  const cdc = async (table: string): ReturnType<OpenProject['cdc']> =>
    (await import('./cdc/control.ts')).cdcControl(context, table)
  return {
    root,
    definition: project,
    problems: loadProblems,
    check: async () => {
      const { planProject } = await planning()
      return inOrder([
        ...loadProblems,
        ...(await (await secrets()).checkSecrets(root, project)),
        // What is loaded is no matter of the definition: a check reaches no warehouse, which may be a server.
        ...(await planProject({ ...context, warehouseExists: async () => false }, { anyParameters: true })).problems,
      ])
    },
    plan: async (options) => {
      whole()
      return (await planning()).planProject(context, options)
    },
    settings: async () => (await import('./definition/settings.ts')).projectSettings(root, project.config),
    stateMachines: async (plan) =>
      (await import('../statemachine/compile.ts')).compileStateMachines(plan, {
        concurrency: project.config.concurrency,
      }),
    run: async (options) => {
      whole()
      return (await execution()).executeRun(context, options)
    },
    watch: async (options) => {
      whole()
      return (await import('./execution/watch.ts')).watchProject(context, options)
    },
    task: async (payload, options) => {
      context.isPart()
      return (await import('./execution/invoke.ts')).invoke(context, payload, options)
    },
    cancel: (runId) => cancelRun(state, runId, context.clock.now()),
    cdc,
    retry: async (runId, options) => {
      whole()
      return (await execution()).retryRun(context, runId ?? (await reading.runs(1))[0]?.id ?? '', options)
    },
    [readContext]: reading,
    rollback: (table, version) => made({ kind: 'rollback', table, version }),
    held: async () => (await import('./planning/target-states.ts')).heldSnapshots(context),
    accept: async (target, instant) => {
      await (await execution()).executeCommand(context, { kind: 'accept-snapshot', table: target, instant })
    },
    dismissQuarantine: async (table, version) => {
      whole()
      return made({ kind: 'dismiss', table, ...(version === undefined ? {} : { version }) })
    },
    replayQuarantine: async (table, options) => (await execution()).executeRun(context, { ...options, replay: table }),
    crawl: async (path) => (await import('./crawl.ts')).crawl(context, path),
    crawlConnection: async (name, options) =>
      (await import('./crawl-connection.ts')).crawlConnection(context, name, options),
    clean: async (options) => (await maintenance()).clean(context, options),
    syncCatalog: async (table) => (await maintenance()).syncCatalog(context, table),
    doctor: async () =>
      (await import('./doctor/doctor.ts')).doctor(context, await (await secrets()).missingSecrets(root, project), cdc),
    release: async (ask) => (await maintenance()).release(context, ask),
    [Symbol.asyncDispose]: () => context.close(),
  }
}

/** What `query/` reads of a project. */
function readingOf(context: OpenedContext, problems: readonly Problem[]): ReadContext {
  const { state, lake, project, root, warn } = context
  const warnOf = ({ message }: Error): void => warn(message)
  const intact = async (): Promise<IntactTables> => (await import('./intact.ts')).intactTables(lake)
  const records = async (): Promise<readonly CommitRecord[]> => {
    const { records: found, damaged } = await intact()
    for (const { error } of damaged) warnOf(error)
    return found
  }
  const versionsOf = async (): Promise<Awaited<ReturnType<ReadContext['versions']>>> =>
    (await Promise.all((await records()).map(({ table }) => lake.versions(table, warnOf)))).flat()
  const isRunning = async ({ id, pipelines }: RunStart): Promise<boolean> =>
    (await leaseHolder(state, pipelines[0] ?? '', context.clock))?.owner === id
  const damaged = (path: string): void =>
    warnOf(sluiceError('Run.RecordDamaged', { file: `${context.stateName}/${path}` }))
  const runs = async (limit?: number): ReturnType<ReadContext['runs']> => listRuns(state, isRunning, { limit, damaged })
  const eventsOf = async (runId: string): ReturnType<ReadContext['events']> => {
    const events = await readEvents(state, runId)
    if (events === undefined) throw sluiceError('Run.NotFound', { run: runId })
    return events
  }
  return {
    root,
    definition: project,
    problems,
    runs,
    run: (id) => readRun(state, id, isRunning, damaged),
    events: eventsOf,
    log: async (runId, task) => (await import('./ledger/log.ts')).logText(await eventsOf(runId), task),
    tables: records,
    damaged: async () => (await intact()).damaged,
    versions: (table) => lake.versions(table, warnOf),
    refused: async (table) => (await import('./read.ts')).allRefused(context, await lake.versions(table, warnOf)),
    damagedRefused: async (table) =>
      (await import('./read.ts')).damagedRefused(context, await lake.versions(table, warnOf)),
    verify: (record) => lake.verify(record),
    analysis: async () => (await (await planning()).planProject(context, { anyParameters: true })).analysis.analysis,
    iceberg: (table) => lake.iceberg(table),
    loads: async () =>
      (await context.warehouseExists()) ? context.withWarehouse((warehouse) => warehouse.ledger({})) : [],
    openRead: async ({ signal, runs: withRuns = true } = {}) =>
      (await import('./read.ts')).openReadSession(
        context,
        {
          runs: withRuns ? await runs(Number.POSITIVE_INFINITY) : [],
          versions: await versionsOf(),
          extractions: await lake.extractions(undefined, 200),
        },
        signal,
      ),
    readWarehouse: async (session, reading) => {
      if (project.config.warehouse.kind === 'duckdb') return
      await (await import('./read-warehouse.ts')).readServerTables(context, session, reading)
    },
  }
}

/** What came under each name, oldest first. */
function contentsOf(taken: readonly KnownInput[]): ReadonlyMap<string, readonly string[]> {
  const contents = new Map<string, string[]>()
  for (const [id, path] of taken) contents.set(path, [...(contents.get(path) ?? []), id])
  return contents
}

/** The files that a source took last, and their rows, for its guard. */
async function deliveredBefore(
  lake: Lake,
  table: string,
  { changedContent }: FilesSource,
): Promise<Pick<FilesContext, 'previousRows' | 'current' | 'contents'>> {
  const filesOf = (version: CommitRecord | undefined) =>
    version?.inputs.flatMap((input) => (input.kind === 'file' ? [input] : [])) ?? []
  let version = await lake.current(table)
  // A version that took nothing (of a changed contract) holds what the one before it took.
  while (version !== undefined && filesOf(version).length === 0) version = await lake.record(table, version.version - 1)
  const files = filesOf(version)
  // What a newer delivery superseded was never read, and has no bytes in the account.
  const rows = files.flatMap(({ accounting: { accepted, quarantined, bytes } }) =>
    bytes === undefined ? [] : [accepted + quarantined],
  )
  return {
    current: files.map(({ path, sha256: id }) => ({ path, id })),
    ...(rows.length === 0 ? {} : { previousRows: rows }),
    ...(changedContent === 'replace' ? { contents: contentsOf(await lake.takenInputs(table)) } : {}),
  }
}
