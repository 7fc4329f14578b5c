/** The project's warehouse, as its configuration names it: how it is opened, and how it is known without being opened. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { assert } from '../base/errors.ts'
import { turns } from '../base/queue.ts'
import type { Project, WarehouseConfig } from '../definition/types.ts'
import type { Engine } from '../engines/engine.ts'
import type { Storage } from '../storage/storage.ts'
import { duckDbStamp } from '../warehouses/duckdb/stamp.ts'
import type { Warehouse } from '../warehouses/warehouse.ts'
import type { ProjectContext } from './context.ts'
import { takeTurn } from './warehouse-turn.ts'

/** What the tasks of a run ask of the warehouse. */
export type ProjectWarehouse = Pick<ProjectContext, 'withWarehouse' | 'warehouseExists' | 'warehouseStamp'>

/** What a warehouse is opened with. */
export interface WarehouseParts {
  readonly root: string
  /** The folder of the project's own state, absolute. */
  readonly stateFolder: string
  readonly project: Project
  readonly engine: Engine
  readonly clock: Clock
  /** Where it is remembered that a server has refused a login. */
  readonly state: Storage
}

/**
 * The warehouse of a project; nothing is opened yet.
 *
 * @example await projectWarehouse(parts).withWarehouse((warehouse) => warehouse.ledger({}))
 */
export function projectWarehouse(parts: WarehouseParts): ProjectWarehouse {
  const { warehouse } = parts.project.config
  return warehouse.kind === 'duckdb' ? fileWarehouse(parts, warehouse) : serverWarehouse(parts, warehouse)
}

/** Only one process may have the file open, and in it one task at a time: they take turns, those of other processes too. */
function fileWarehouse(
  { root, stateFolder, engine, clock }: WarehouseParts,
  config: Extract<WarehouseConfig, { kind: 'duckdb' }>,
): ProjectWarehouse {
  const path = resolve(root, config.path)
  const inTurn = turns()
  return {
    withWarehouse: (work, { signal } = {}) =>
      inTurn(async () => {
        await mkdir(dirname(path), { recursive: true })
        await using _turn = await takeTurn(join(stateFolder, 'warehouse.turn'), clock, signal)
        return await use(await openDuckDb({ path, engine, clock, ...(signal === undefined ? {} : { signal }) }), work)
      }),
    warehouseExists: async () => existsSync(path),
    warehouseStamp: () => duckDbStamp(path),
  }
}

/** A server takes any number of connections; whether it holds anything, only it can say. */
function serverWarehouse(
  { root, stateFolder, project, engine, clock, state }: WarehouseParts,
  { connection, schema }: Extract<WarehouseConfig, { kind: 'postgres' }>,
): ProjectWarehouse {
  return {
    async withWarehouse(work, { signal } = {}) {
      const config = project.config.connections[connection]
      assert(config !== undefined, `the connection "${connection}" is declared: the definition was checked`)
      const [{ connectionSettings }, { guardLogin }, { maskedError }, { redactor }] = await Promise.all([
        import('./connections/connections.ts'),
        import('../connections/login-guard.ts'),
        import('./connections/masked-connection.ts'),
        import('./definition/secrets.ts'),
      ])
      const settings = await connectionSettings({ root, project }, connection, config)
      const folder = join(stateFolder, 'tmp')
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const guard = <T>(connect: () => Promise<T>): Promise<T> => guardLogin(settings, connect, { state, clock })
      const options = { settings, schema, engine, clock, folder, guard, ...(signal === undefined ? {} : { signal }) }
      try {
        return await use(await openPostgres(options), work)
      } catch (error) {
        throw maskedError(error, redactor([settings.password]))
      }
    },
    warehouseExists: async () => true,
    warehouseStamp: () => undefined,
  }
}

const openDuckDb: typeof import('../warehouses/duckdb/warehouse.ts').openDuckDbWarehouse = async (options) =>
  (await import('../warehouses/duckdb/warehouse.ts')).openDuckDbWarehouse(options)
const openPostgres: typeof import('../warehouses/postgres/warehouse.ts').openPostgresWarehouse = async (options) =>
  (await import('../warehouses/postgres/warehouse.ts')).openPostgresWarehouse(options)

async function use<T>(opened: Warehouse, work: (warehouse: Warehouse) => Promise<T>): Promise<T> {
  await using warehouse = opened
  return await work(warehouse)
}
