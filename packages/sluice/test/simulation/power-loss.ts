/**
 * A file system in memory with two planes: what processes see, and what a power loss leaves.
 *
 * fsync of a file makes its bytes durable; fsync of a folder makes the names in it durable. At the cut, each change of a folder since its last
 * fsync has happened on the disk or not, and so has each unsynced write, possibly torn: the caller's `choose` decides one by one.
 */
import { dirname } from 'node:path'
import type { FileOperations, FileStatus } from '../../src/storage/disk/file-operations.ts'

interface FileNode {
  readonly kind: 'file'
  readonly inode: number
  live: Buffer
  durable: Buffer
  links: number
}

interface FolderNode {
  readonly kind: 'folder'
  readonly inode: number
  live: Map<string, Node>
  durable: Map<string, Node>
}

type Node = FileNode | FolderNode

/** A disk whose power can be cut. */
export interface SimulatedDisk {
  readonly operations: FileOperations
  /** Puts a file there, as an engine would: written, not synced. */
  put(path: string, bytes: string | Uint8Array): void
  /** Cuts the power. `choose` is asked once for everything unsynced: true keeps it, false loses it. */
  cut(choose: () => boolean): void
  /** How many unsynced names and writes a cut would decide about now. */
  unsynced(): number
}

/** @example const disk = simulatedDisk() */
export function simulatedDisk(): SimulatedDisk {
  let inodes = 0
  const folder = (): FolderNode => ({ kind: 'folder', inode: ++inodes, live: new Map(), durable: new Map() })
  const file = (): FileNode => ({
    kind: 'file',
    inode: ++inodes,
    live: Buffer.alloc(0),
    durable: Buffer.alloc(0),
    links: 1,
  })
  const root = folder()

  const fail = (code: string, path: string): never => {
    throw Object.assign(new Error(`${code}: ${path}`), { code })
  }
  const find = (path: string): Node | undefined => {
    let node: Node | undefined = root
    for (const part of path.split('/').filter((name) => name !== ''))
      node = node?.kind === 'folder' ? node.live.get(part) : undefined
    return node
  }
  const folderAt = (path: string): FolderNode => {
    const node = find(path)
    return node?.kind === 'folder' ? node : fail('ENOENT', path)
  }
  const fileAt = (path: string): FileNode => {
    const node = find(path)
    return node?.kind === 'file' ? node : fail('ENOENT', path)
  }
  const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

  const operations: FileOperations = {
    async open(path, mode) {
      const parent = folderAt(dirname(path))
      const name = nameOf(path)
      if (mode === 'create' && parent.live.has(name)) fail('EEXIST', path)
      if (mode === 'create' && !parent.live.has(name)) parent.live.set(name, file())
      const node = fileAt(path)
      return {
        async write(bytes) {
          node.live = Buffer.concat([node.live, bytes])
        },
        readAll: async () => node.live,
        read: async (position, length) => node.live.subarray(position, position + length),
        async sync() {
          node.durable = node.live
        },
        close: async () => undefined,
      }
    },
    status(path): FileStatus | undefined {
      const node = find(path)
      if (node === undefined) return undefined
      const { kind, inode } = node
      const [bytes, links] = node.kind === 'file' ? [node.live.length, node.links] : [0, 1]
      return { kind, inode, bytes, links, identity: `${inode}:${bytes}`, modifiedAt: new Date(0) }
    },
    async rename(from, to) {
      const node = fileAt(from)
      const target = folderAt(dirname(to))
      folderAt(dirname(from)).live.delete(nameOf(from))
      target.live.set(nameOf(to), node)
    },
    async link(from, to) {
      const node = fileAt(from)
      const target = folderAt(dirname(to))
      if (target.live.has(nameOf(to))) fail('EEXIST', to)
      node.links++
      target.live.set(nameOf(to), node)
    },
    async unlink(path) {
      fileAt(path).links--
      folderAt(dirname(path)).live.delete(nameOf(path))
    },
    async copy(from, to) {
      const node = file()
      node.live = fileAt(from).live
      folderAt(dirname(to)).live.set(nameOf(to), node)
    },
    async makeFolder(path) {
      const parent = folderAt(dirname(path))
      if (parent.live.has(nameOf(path))) fail('EEXIST', path)
      parent.live.set(nameOf(path), folder())
    },
    async removeFolder(path) {
      if (folderAt(path).live.size > 0) fail('ENOTEMPTY', path)
      folderAt(dirname(path)).live.delete(nameOf(path))
    },
    readFolder: async (path) => [...folderAt(path).live.keys()],
    async syncFolder(path) {
      const node = folderAt(path)
      node.durable = new Map(node.live)
    },
  }

  const changed = (node: FolderNode): string[] =>
    [...new Set([...node.live.keys(), ...node.durable.keys()])].filter(
      (name) => node.live.get(name) !== node.durable.get(name),
    )

  const settle = (node: Node, choose: () => boolean, seen: Set<Node>): void => {
    if (seen.has(node)) return
    seen.add(node)
    if (node.kind === 'file') {
      // A write that was not synced may be there, in part or not at all.
      if (!node.live.equals(node.durable) && !choose())
        node.live = choose() ? node.live.subarray(0, node.live.length >> 1) : node.durable
      node.durable = node.live
      return
    }
    const after = new Map(node.durable)
    for (const name of changed(node)) {
      if (!choose()) continue
      const now = node.live.get(name)
      if (now === undefined) after.delete(name)
      else after.set(name, now)
    }
    node.live = after
    node.durable = new Map(after)
    for (const child of after.values()) settle(child, choose, seen)
  }

  const count = (node: Node, seen: Set<Node>): number => {
    if (seen.has(node)) return 0
    seen.add(node)
    if (node.kind === 'file') return node.live.equals(node.durable) ? 0 : 1
    const children = new Set([...node.live.values(), ...node.durable.values()])
    return changed(node).length + [...children].reduce((total, child) => total + count(child, seen), 0)
  }

  return {
    operations,
    put(path, bytes) {
      const node = file()
      node.live = Buffer.from(bytes)
      folderAt(dirname(path)).live.set(nameOf(path), node)
    },
    cut: (choose) => settle(root, choose, new Set()),
    unsynced: () => count(root, new Set()),
  }
}
