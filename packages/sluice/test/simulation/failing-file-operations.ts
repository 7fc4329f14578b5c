/** File operations of which the k-th fails: SQLite's loop over every I/O error. */
import type { FileOperations, OpenFile } from '../../src/storage/disk/file-operations.ts'

/** What happens at the operation. `persisting` failures go on; a `short` write leaves half of the bytes. */
export interface Fault {
  readonly at: number
  readonly code: string
  readonly persisting?: boolean
  readonly short?: boolean
}

/** Wraps operations; `count` tells how many there were, `fired` whether the fault was reached. Every operation is named before it is done. */
export function failingFileOperations(
  inner: FileOperations,
  fault: Fault,
  onOperation: (name: string) => void = () => undefined,
): { readonly operations: FileOperations; readonly state: { count: number; fired: boolean } } {
  const state = { count: 0, fired: false }
  const hit = (name: string): void => {
    state.count++
    onOperation(name)
    if (state.count === fault.at || (fault.persisting === true && state.count > fault.at)) {
      state.fired = true
      throw Object.assign(new Error(`${fault.code}: ${name} (operation ${state.count})`), { code: fault.code })
    }
  }
  const wrapFile = (file: OpenFile): OpenFile => ({
    async write(bytes) {
      try {
        hit('write')
      } catch (error) {
        if (fault.short === true) await file.write(bytes.subarray(0, bytes.length >> 1))
        throw error
      }
      await file.write(bytes)
    },
    async readAll() {
      hit('read')
      return file.readAll()
    },
    async read(position, length) {
      hit('read')
      return file.read(position, length)
    },
    async sync() {
      hit('fsync')
      await file.sync()
    },
    // Never fails: a handle must not leak in a test of thousands.
    close: () => file.close(),
  })
  const operations: FileOperations = {
    async open(path, mode) {
      hit(`open ${mode}`)
      return wrapFile(await inner.open(path, mode))
    },
    status: (path) => inner.status(path),
    async rename(from, to) {
      hit('rename')
      await inner.rename(from, to)
    },
    async link(from, to) {
      hit('link')
      await inner.link(from, to)
    },
    async unlink(path) {
      hit('unlink')
      await inner.unlink(path)
    },
    async copy(from, to) {
      hit('copy')
      await inner.copy(from, to)
    },
    async makeFolder(path) {
      hit('mkdir')
      await inner.makeFolder(path)
    },
    async removeFolder(path) {
      hit('rmdir')
      await inner.removeFolder(path)
    },
    async readFolder(path) {
      hit('readdir')
      return inner.readFolder(path)
    },
    async syncFolder(path) {
      hit('fsync folder')
      await inner.syncFolder(path)
    },
  }
  return { operations, state }
}
