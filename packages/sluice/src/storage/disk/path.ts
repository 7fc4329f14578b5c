/** Where disk storage keeps what is not finished; not part of any listing. */
export const ownFolders = { temporary: '_temp', scratch: '_scratch' } as const
