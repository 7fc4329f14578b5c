/**
 * The few operations on a file system that disk storage is made of: a seam, so that a test can fail the k-th one or cut the power.
 */
import { constants, lstatSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { systemClock } from '../../base/clock.ts'

/** An open file. */
export interface OpenFile {
  /** All of it, at the end of the file. */
  write(bytes: Uint8Array): Promise<void>
  /** The whole file, as long as it is now: another one may have come under its name since anybody looked. */
  readAll(): Promise<Uint8Array>
  /** Up to `length` bytes from `position`. */
  read(position: number, length: number): Promise<Uint8Array>
  /** The content survives a power loss afterwards; the name only after `syncFolder`. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** What a name stands for; `other` is anything that is neither, symbolic links above all. */
export interface FileStatus {
  readonly kind: 'file' | 'folder' | 'other'
  readonly bytes: number
  readonly modifiedAt: Date
  /** Changes whenever the file does. */
  readonly identity: string
  readonly inode: number
  readonly links: number
}

/** Each operation rejects with Node's errors (`code` as in errno.h); none follows a symbolic link in the last part of its path. */
export interface FileOperations {
  /** `create`: fails with EEXIST; `adopt` opens what is there, makes it private and touches it. */
  open(path: string, mode: 'read' | 'create' | 'adopt'): Promise<OpenFile>
  /** Undefined where nothing is. At once, because every path is looked at before it is used. */
  status(path: string): FileStatus | undefined
  rename(from: string, to: string): Promise<void>
  /** Fails with EEXIST. */
  link(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  copy(from: string, to: string): Promise<void>
  makeFolder(path: string): Promise<void>
  removeFolder(path: string): Promise<void>
  readFolder(path: string): Promise<readonly string[]>
  /** Names in the folder survive a power loss afterwards. */
  syncFolder(path: string): Promise<void>
}

const openFlags = {
  read: constants.O_RDONLY | constants.O_NOFOLLOW,
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  adopt: constants.O_RDWR | constants.O_NOFOLLOW,
}

/** The real file system, files 0600 and folders 0700. */
export const nodeFileOperations: FileOperations = {
  async open(path, mode) {
    const handle = await open(path, openFlags[mode], 0o600)
    if (mode === 'adopt') {
      const now = systemClock.now()
      await handle.chmod(0o600)
      await handle.utimes(now, now)
    }
    return {
      async write(bytes) {
        await handle.writeFile(bytes)
      },
      readAll: () => handle.readFile(),
      async read(position, length) {
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, position)
        return buffer.subarray(0, bytesRead)
      },
      sync: () => handle.sync(),
      close: () => handle.close(),
    }
  },
  status(path) {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return undefined
    return {
      kind: found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other',
      bytes: found.size,
      modifiedAt: found.mtime,
      identity: `${found.size}:${found.mtimeMs}:${found.ctimeMs}:${found.ino}`,
      inode: found.ino,
      links: found.nlink,
    }
  },
  rename,
  link,
  unlink,
  copy: (from, to) => copyFile(from, to, constants.COPYFILE_EXCL),
  async makeFolder(path) {
    await mkdir(path, { mode: 0o700 })
  },
  removeFolder: rmdir,
  readFolder: (path) => readdir(path),
  async syncFolder(path) {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}
