/**
 * Writes a table's Iceberg metadata over the very files of its versions. It follows from the commit records, so it can be written again at any
 * time; a version exists without it, and no failure here is one of a commit.
 */
import { crashPoint } from '../../base/crash.ts'
import { readJson } from '../../storage/read-json.ts'
import type { Storage } from '../../storage/storage.ts'
import { key } from '../fields.ts'
import { tableFolder } from '../paths.ts'
import { currentVersion, streamVersions } from '../record/records.ts'
import type { CommitRecord } from '../record.ts'
import { manifestList, manifestsOf } from './manifest.ts'
import {
  type DescribedVersion,
  describe,
  longestHistory,
  snapshotIdOf,
  type TableMetadata,
  tableMetadata,
  tableUuid,
} from './metadata.ts'
import { icebergSchema } from './schema.ts'

/** A lake that other engines find. */
export interface IcebergPlace {
  readonly storage: Storage
  /** Where the lake is to other readers, without a slash at its end: `file:///data/lake`, `s3://bucket/lake`. */
  readonly address: string
}

/** How far a table's Iceberg metadata is. */
export interface IcebergState {
  /** What readers of Iceberg are given: the address of the metadata of the newest version. */
  readonly address: string
  /**
   * `current`: it describes the newest version. `behind`: it was not written yet. `moved`: the lake was somewhere else. `foreign`: another writer has
   * committed to it. `unsupported`: Iceberg v2 has no type for a column, or a column of older files is ambiguous.
   */
  readonly status: 'current' | 'behind' | 'moved' | 'foreign' | 'unsupported'
  /** Why it is not current. */
  readonly why?: string
}

/**
 * Describes a version that was just committed.
 *
 * @example (await publishIceberg({ storage, address: 'file:///data/lake' }, record)).status // 'current'
 */
export async function publishIceberg(place: IcebergPlace, record: CommitRecord): Promise<IcebergState> {
  const unsupported = unsupportedIn(place, record)
  if (unsupported !== undefined) return unsupported
  const before = await describedBefore(place, record)
  if (before === undefined) {
    const state = await icebergState(place, record)
    return state.status === 'foreign' ? state : syncIceberg(place, record)
  }
  const own = await writeVersion(place, record, before['table-uuid'])
  const versions = [...before.snapshots.map((snapshot) => ({ snapshot })), own]
  const schemas = [...before.schemas, own.schema]
  return finish(place, record, { versions, schemas, specs: [...before['partition-specs'], ...own.specs] }, 'create')
}

/**
 * Writes everything again, from the records that are kept: where the lake was moved, where something is missing, and over the commits of others.
 *
 * @example await syncIceberg({ storage, address: 'file:///data/lake' }, record)
 */
export async function syncIceberg(place: IcebergPlace, record: CommitRecord): Promise<IcebergState> {
  const unsupported = unsupportedIn(place, record)
  if (unsupported !== undefined) return unsupported
  const { storage } = place
  const uuid = tableUuid(record)
  const versions: DescribedVersion[] = []
  for await (const one of streamVersions(storage, record.table)) {
    if (one.version > record.version || unsupportedIn(place, one) !== undefined) continue
    versions.unshift(await writeVersion(place, one, uuid))
    if (versions.length === longestHistory) break
  }
  const parts = {
    versions,
    schemas: versions.map(({ schema }) => schema),
    specs: versions.flatMap(({ specs }) => specs),
  }
  const described = await listMetadata(storage, record.table)
  // Asked after they were listed: of a version that has come meanwhile the record was there first.
  const newest = await currentVersion(storage, record.table)
  for (const { path, version } of described)
    if (version > newest && path.endsWith('.metadata.json')) await storage.remove(path)
  return finish(place, record, parts, 'write')
}

/**
 * Leaves versions out that are gone.
 *
 * @param oldest The oldest version that is there
 */
export async function pruneIceberg(place: IcebergPlace, record: CommitRecord, oldest: number): Promise<void> {
  const found = await readMetadata(place.storage, record.table, record.version)
  if (found === undefined || (await icebergState(place, record)).status !== 'current') return
  const kept = found.snapshots.filter((snapshot) => snapshot['sequence-number'] >= oldest)
  if (kept.length === found.snapshots.length) return
  const parts = { schemas: found.schemas, specs: found['partition-specs'] }
  await finish(place, record, { ...parts, versions: kept.map((snapshot) => ({ snapshot })) }, 'write')
}

/**
 * Looks how far a table's metadata is.
 *
 * @example (await icebergState({ storage, address: 'file:///data/lake' }, record)).address
 */
export async function icebergState(place: IcebergPlace, record: CommitRecord): Promise<IcebergState> {
  const unsupported = unsupportedIn(place, record)
  if (unsupported !== undefined) return unsupported
  const address = addressOf(place, record)
  const { table, version } = record
  const described = (await listMetadata(place.storage, table)).filter(({ path }) => path.endsWith('.metadata.json'))
  const newest = Math.max(0, ...described.map((one) => one.version))
  const found = await readMetadata(place.storage, table, newest)
  if (newest > version || (found !== undefined && !isOwn(found, newest)))
    return { address, status: 'foreign', why: `another writer has committed ${metadataPath(table, newest)}` }
  if (found === undefined || newest < version)
    return { address, status: 'behind', why: `version ${version} is not described yet` }
  const location = locationOf(place, table)
  if (found.location !== location)
    return { address, status: 'moved', why: `it says that the table is at ${found.location}, and it is at ${location}` }
  return { address, status: 'current' }
}

/** The version that a file of a table's metadata describes; undefined of any other. @example icebergVersionOf('metadata/v7.metadata.json') // 7 */
export function icebergVersionOf(name: string): number | undefined {
  const digits = /^metadata\/(?:v(\d+)\.metadata\.json|snap-(\d+)\.avro|m(\d+)-\d+\.avro)$/.exec(name)
  const version = digits?.slice(1).find((one) => one !== undefined)
  return version === undefined ? undefined : Number(version)
}

/** The files of a table's metadata, with the versions that they describe. */
export async function listMetadata(
  storage: Storage,
  table: string,
): Promise<readonly { readonly path: string; readonly version: number }[]> {
  const folder = tableFolder(table)
  return (await storage.list(`${folder}/metadata`)).flatMap(({ path }) => {
    const version = icebergVersionOf(path.slice(folder.length + 1))
    return version === undefined ? [] : [{ path, version }]
  })
}

function unsupportedIn(place: IcebergPlace, record: CommitRecord): IcebergState | undefined {
  const address = addressOf(place, record)
  const { unsupported } = icebergSchema(record)
  if (unsupported.length > 0) {
    const columns = unsupported.map(({ column, type }) => `"${column}" is ${type}`).join(', ')
    return { address, status: 'unsupported', why: `Iceberg v2 has no type for it: ${columns}` }
  }
  const column = ambiguousColumn(record)
  if (column === undefined) return undefined
  const why = `older files have no field ids, and "${column}" is in some of them only: a name is not enough to find it`
  return { address, status: 'unsupported', why }
}

/** Of files without ids a column goes by its name: what some of them lack may be another column of that name there. */
function ambiguousColumn({ fields, files }: CommitRecord): string | undefined {
  const held = files.filter(({ hasFieldIds }) => hasFieldIds !== true).map((file) => new Set(file.fields.map(key)))
  return fields.find(({ name }) => {
    const count = held.filter((names) => names.has(key(name))).length
    return count > 0 && count < held.length
  })?.name
}

/** The metadata of the version before, where it can be gone on with. */
async function describedBefore(place: IcebergPlace, record: CommitRecord): Promise<TableMetadata | undefined> {
  const before = await readMetadata(place.storage, record.table, record.version - 1)
  const isFit =
    before !== undefined &&
    isOwn(before, record.version - 1) &&
    before['table-uuid'] === tableUuid(record) &&
    before.location === locationOf(place, record.table)
  return isFit ? before : undefined
}

const isOwn = (metadata: TableMetadata, version: number): boolean =>
  metadata['current-snapshot-id'] === snapshotIdOf(metadata['table-uuid'])(version)

async function writeVersion(
  { storage, address }: IcebergPlace,
  record: CommitRecord,
  uuid: string,
): Promise<DescribedVersion> {
  const { table, version } = record
  const { schema } = icebergSchema(record)
  const [snapshotId, at] = [snapshotIdOf(uuid), (path: string) => addressIn(address, path)]
  const folder = `${tableFolder(table)}/metadata`
  const manifests = manifestsOf({ record, schema, addressOf: at, snapshotId })
  const placed = manifests.map((manifest, place) => ({ ...manifest, path: `${folder}/m${version}-${place}.avro` }))
  await Promise.all(placed.map(({ path, bytes }) => storage.write(path, bytes)))
  const list = `${folder}/snap-${version}.avro`
  const listed = placed.map((manifest) => ({ ...manifest, address: at(manifest.path) }))
  await storage.write(list, manifestList(version, snapshotId, listed))
  return describe(record, { uuid, schema, specs: manifests.map(({ spec }) => spec), list: at(list) })
}

async function finish(
  place: IcebergPlace,
  record: CommitRecord,
  parts: Pick<Parameters<typeof tableMetadata>[0], 'versions' | 'schemas' | 'specs'>,
  how: 'create' | 'write',
): Promise<IcebergState> {
  const { table, version } = record
  const metadata = tableMetadata({ record, location: locationOf(place, table), uuid: tableUuid(record), ...parts })
  const path = metadataPath(table, version)
  crashPoint('lake.iceberg.before_metadata')
  const text = JSON.stringify(metadata)
  if (how === 'write') await place.storage.write(path, text)
  else if (!(await place.storage.create(path, text))) return icebergState(place, record)
  crashPoint('lake.iceberg.after_metadata')
  return { address: addressOf(place, record), status: 'current' }
}

/** Readers that keep no catalog look for names like this. */
const metadataPath = (table: string, version: number): string =>
  `${tableFolder(table)}/metadata/v${version}.metadata.json`

const readMetadata = (storage: Storage, table: string, version: number): Promise<TableMetadata | undefined> =>
  readJson<TableMetadata>(storage, metadataPath(table, version), {
    isWhole: ({ snapshots, schemas }) => Array.isArray(snapshots) && Array.isArray(schemas),
  })

const addressIn = (address: string, path: string): string => `${address}/${path}`
const locationOf = ({ address }: IcebergPlace, table: string): string => addressIn(address, tableFolder(table))
const addressOf = ({ address }: IcebergPlace, { table, version }: CommitRecord): string =>
  addressIn(address, metadataPath(table, version))
