/* Looks one name up as programs do, and prints what came: addresses, or the error's name. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *error_name(int code)
{
	switch (code) {
	case EAI_NONAME: return "NoName";
	case EAI_AGAIN: return "TryAgain";
	case EAI_FAIL: return "Failed";
	case EAI_SYSTEM: return "System";
	case -5: return "NoData"; /* EAI_NODATA, for which musl's header has no name */
	default: return "Other";
	}
}

int main(int argc, char **argv)
{
	struct addrinfo hints, *list = NULL, *each;
	char text[INET6_ADDRSTRLEN];
	int code;

	if (argc != 2)
		return 2;
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	code = getaddrinfo(argv[1], NULL, &hints, &list);
	if (code != 0) {
		printf("error %s\n", error_name(code));
		return 0;
	}
	printf("found");
	for (each = list; each != NULL; each = each->ai_next) {
		const void *address = each->ai_family == AF_INET
			? (const void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
			: (const void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
		printf(" %s", inet_ntop(each->ai_family, address, text, sizeof text));
	}
	printf("\n");
	return 0;
}
